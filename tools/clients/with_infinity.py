# SPDX-License-Identifier: Apache-2.0
"""infinity's client against a running server. usage: with_infinity.py [http://127.0.0.1:7997]

    python3 -m venv venv && venv/bin/pip install infinity_client numpy pillow requests
"""
import base64

import numpy as np
from infinity_client import Client
from infinity_client.api.default import embeddings, embeddings_image, health, models
from infinity_client.models import (HTTPValidationError, ImageEmbeddingInput, OpenAIEmbeddingInputImage,
                                    OpenAIEmbeddingInputText)
from infinity_client.vision_client import InfinityVisionAPI
from PIL import Image

import common as c

client = Client(base_url=c.SERVER, timeout=60)
texts = ["a red car", "a dog on the beach"]
expected = c.unit(c.embed("--text", *texts))
picture = c.unit(c.embed("--image", c.RED_CAR))
uri = "data:image/jpeg;base64," + base64.b64encode(open(c.RED_CAR, "rb").read()).decode()

c.check("health", health.sync(client=client) is not None)
listed = models.sync(client=client)
c.check("models", c.MODEL in [m.id for m in listed.data], [m.id for m in listed.data])
answer = embeddings.sync(client=client, body=OpenAIEmbeddingInputText.from_dict({"input": texts, "model": c.MODEL}))
c.same("embeddings, texts", [d.embedding for d in answer.data], expected)
body = OpenAIEmbeddingInputImage.from_dict({"input": [uri], "model": c.MODEL, "modality": "image"})
answer = embeddings.sync(client=client, body=body)
c.same("embeddings, pictures", [d.embedding for d in answer.data], picture)
answer = embeddings_image.sync(client=client, body=ImageEmbeddingInput.from_dict({"input": [uri], "model": c.MODEL}))
c.same("embeddings_image", [d.embedding for d in answer.data], picture)
body = OpenAIEmbeddingInputText.from_dict({"input": [], "model": c.MODEL})
answer = embeddings.sync(client=client, body=body)
c.check("validation", isinstance(answer, HTTPValidationError), answer.detail[0].msg)

vision = InfinityVisionAPI(url=c.SERVER, format="base64", model=c.MODEL)
got, tokens = vision.embed(c.MODEL, texts).result()
c.same("InfinityVisionAPI.embed", np.vstack(got), expected)
got, tokens = vision.image_embed(c.MODEL, [Image.open(c.RED_CAR)] * 2).result()
c.check("InfinityVisionAPI.image_embed", float((np.vstack(got) @ picture[0]).min()) > 0.99, "it makes another JPEG of it")
c.end()
