# SPDX-License-Identifier: Apache-2.0
"""clip-retrieval's ClipClient against a running server whose catalogue holds the gallery.
usage: with_clip_retrieval.py [http://127.0.0.1:7997]

    python3 -m venv venv && venv/bin/pip install requests numpy pillow && venv/bin/pip install --no-deps clip-retrieval

The package as a whole wants PyTorch; the client needs nothing of it, so its module is loaded by itself.
"""
import base64
import importlib.util
import io
import os

import requests
from PIL import Image

import common as c

package = importlib.util.find_spec("clip_retrieval").submodule_search_locations[0]
spec = importlib.util.spec_from_file_location("clip_client", os.path.join(package, "clip_client.py"))
clip_client = importlib.util.module_from_spec(spec)
spec.loader.exec_module(clip_client)

index = requests.get(c.SERVER + "/indices-list", timeout=60).json()
c.check("indices-list", len(index) == 1, index)
knn = c.SERVER + "/knn-service"
client = clip_client.ClipClient(url=knn, indice_name=index[0], num_images=5)
found = client.query(text="a red car on the road")
c.check("query(text)", "red-car" in found[0]["image_path"], (found[0]["id"], round(found[0]["similarity"], 4)))
first = Image.open(io.BytesIO(base64.b64decode(found[0]["image"])))
c.check("its picture", max(first.size) > 0, (first.format, first.size))
again = client.query(image=c.RED_CAR)
c.check("query(image)", again[0]["id"] == found[0]["id"] and again[0]["similarity"] > 0.99, again[0]["similarity"])
text = c.embed("--text", "a red car on the road")[0]
by_vector = client.query(embedding_input=[float(x) for x in text])
c.check("query(embedding_input)", [r["id"] for r in by_vector] == [r["id"] for r in found])
c.check("similarities agree", max(abs(a["similarity"] - b["similarity"]) for a, b in zip(by_vector, found)) < 1e-5)
everything = clip_client.ClipClient(url=knn, indice_name=index[0], num_images=1000, deduplicate=False)
unique = clip_client.ClipClient(url=knn, indice_name=index[0], num_images=1000)
counts = len(everything.query(text="a car")), len(unique.query(text="a car"))
c.check("deduplicate", 0 < counts[1] <= counts[0], counts)
mclip = clip_client.ClipClient(url=knn, indice_name=index[0], num_images=5, use_mclip=True)
found = mclip.query(text="ein rotes Auto auf der Straße")
c.check("use_mclip", "red-car" in found[0]["image_path"], [os.path.basename(r["image_path"]) for r in found])
described = requests.post(c.SERVER + "/metadata", json={"ids": [found[0]["id"]], "indice_name": index[0]}, timeout=60).json()
c.check("metadata", described[0]["metadata"]["image_path"] == found[0]["image_path"])
c.end()
