# SPDX-License-Identifier: Apache-2.0
"""OpenAI's Python client against a running server. usage: with_openai.py [http://127.0.0.1:7997]

    python3 -m venv venv && venv/bin/pip install openai numpy
"""
import base64

import numpy as np
import openai

import common as c

client = openai.OpenAI(base_url=c.SERVER + "/v1", api_key="none", max_retries=0)
texts = ["a red car", "a dog on the beach", "ein Café", ""]
expected = c.unit(c.embed("--text", *texts))

c.check("openai", True, openai.__version__)
models = [m.id for m in client.models.list()]
c.check("models.list", c.MODEL in models, models)
c.check("models.retrieve", client.models.retrieve(c.MODEL).id == c.MODEL)
answer = client.embeddings.create(model=c.MODEL, input=texts)
c.same("embeddings.create", [d.embedding for d in answer.data], expected)
c.check("usage", answer.usage.total_tokens > 0, answer.usage.total_tokens)
answer = client.embeddings.create(model=c.MODEL, input=texts, encoding_format="float")
c.same("embeddings.create, float", [d.embedding for d in answer.data], expected)
answer = client.embeddings.create(model=c.MODEL, input=texts[0], dimensions=16)
c.same("embeddings.create, dimensions=16", answer.data[0].embedding, expected[0][:16])
uri = "data:image/jpeg;base64," + base64.b64encode(open(c.RED_CAR, "rb").read()).decode()
picture = c.unit(c.embed("--image", c.RED_CAR))
answer = client.embeddings.create(model=c.MODEL, input=[uri], extra_body={"modality": "image"})
c.same("embeddings.create, modality=image", [d.embedding for d in answer.data], picture)
answer = client.embeddings.create(model=c.MODEL, input=[uri, texts[0]])
c.same("embeddings.create, data: URI beside a text", [d.embedding for d in answer.data], np.vstack([picture, expected[:1]]))
many = [f"{n} red cars" for n in range(300)]
answer = client.embeddings.create(model=c.MODEL, input=many)
c.check("300 texts", [d.index for d in answer.data] == list(range(300)))
for name, wanted, options in (
    ("unknown model", openai.BadRequestError, dict(model="text-embedding-3-small", input="x")),
    ("tokens instead of texts", openai.UnprocessableEntityError, dict(model=c.MODEL, input=[1, 2, 3])),
    ("dimensions too large", openai.BadRequestError, dict(model=c.MODEL, input="x", dimensions=100000)),
):
    try:
        client.embeddings.create(**options)
        c.check(name, False, "was accepted")
    except openai.APIStatusError as e:
        c.check(name, isinstance(e, wanted), f"{e.status_code} {e.body}")
c.end()
