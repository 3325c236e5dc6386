# SPDX-License-Identifier: Apache-2.0
"""clip-as-service's client over HTTP against a running server. usage: with_clip_as_service.py [http://127.0.0.1:7997]

Its dependencies are old; this is a set that installs:

    python3.11 -m venv venv && venv/bin/pip install uv
    venv/bin/uv pip install --python venv/bin/python --prerelease=allow jina==3.23.0 'docarray[common]==0.21.0' \
        opentelemetry-exporter-prometheus==1.12.0rc1 'numpy<2' 'setuptools<70' packaging
    venv/bin/pip install --no-deps clip-client
"""
import clip_client
from docarray import Document, DocumentArray

import common as c

client = clip_client.Client(c.SERVER)
texts = ["a red car", "a dog on the beach"]
expected = c.embed("--text", *texts)
picture = c.embed("--image", c.RED_CAR)

c.check("clip_client", True, clip_client.__version__)
c.same("encode texts, raw vectors", client.encode(texts), expected)
c.same("encode a file", client.encode([c.RED_CAR]), picture)
c.same("encode with a batch size of 1", client.encode(texts, batch_size=1), expected)
c.same("encode with a model's name", client.encode(texts, parameters={"model_name": c.MODEL}), expected)
documents = DocumentArray([Document(text=texts[0], tags={"n": 1}), Document(uri=c.RED_CAR).load_uri_to_blob()])
found = client.encode(documents)
c.same("encode documents", found.embeddings, [expected[0], picture[0]])
c.check("what else they have stays", found[0].tags["n"] == 1)
query = Document(uri=c.RED_CAR, matches=[Document(text=t) for t in ("a forest", "a red car on the road", "a dog")])
ranked = client.rank([query])[0].matches
shares = [m.scores["clip_score"].value for m in ranked]
c.check("rank", ranked[0].text == "a red car on the road" and abs(sum(shares) - 1) < 1e-4, shares)
trip = client.profile()
c.check("profile", trip["Roundtrip"] > 0)
try:
    client.encode(texts, parameters={"model_name": "nobody"})
    c.check("unknown model", False, "was accepted")
except Exception as e:
    c.check("unknown model", "nobody" in str(e), type(e).__name__)
c.end()
