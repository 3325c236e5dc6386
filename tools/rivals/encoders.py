#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sets simile's encoders beside PyTorch, ONNX Runtime and OpenVINO: same weights, same inputs, same machine, in turns.

    ninja -C build bench/bench_peer tests/unit/model/test_precision
    python3 tools/rivals/encoders.py [--data DATA] [--rounds 5] [--threads 1 2] [--only image-1 ...] [--outliers]
                                     [--out FILE.json]

Every rival is run in each setting that its own documents recommend for one processor (eager, compiled with frozen
weights, channels last; float32, bf16, dynamic int8; OpenVINO's own bf16 and its int8 calibrated by NNCF), shapes fixed
where that helps it. A trial picks the fastest setting of each rival in float32 and the fastest of all whose vectors
have a cosine of at least 0.995 with PyTorch's float32; those take turns with simile. Models that were exported or
calibrated are kept in the --work folder.

Weights are random. With --outliers they are so that a few channels are many times the others, as in trained networks
(tests/unit/model/outliers.h): how much accuracy 8 bits cost a side shows there alone, and so which of its settings are
accurate enough to be its best.
"""
import os
import sys
import traceback

import common
import models

LEAST_COSINE = 0.995
TRIAL_SECONDS = 0.8

# name: what it is called, its model, the kind of input, pieces, tokens
WORKS = {
    "image-1": ("ViT-B/32 image, batch 1", "clip", "image", 1, 0),
    "image-32": ("ViT-B/32 image, batch 32", "clip", "image", 32, 0),
    "text-1": ("CLIP text of 12 tokens, batch 1", "clip", "text", 1, 12),
    "text-64": ("CLIP text of 12 tokens, batch 64", "clip", "text", 64, 12),
    "rn50-1": ("RN50 image, batch 1", "rn50", "image", 1, 0),
    "rn50-8": ("RN50 image, batch 8", "rn50", "image", 8, 0),
    "distil-1": ("multilingual DistilBERT text of 12 tokens, batch 1", "distil", "text", 1, 12),
    "distil-64": ("multilingual DistilBERT text of 12 tokens, batch 64", "distil", "text", 64, 12),
}


class Work:
    def __init__(self, report, key):
        import numpy as np
        import torch

        self.title, self.model, self.kind, self.n, self.tokens = WORKS[key]
        self.key, self.report = key, report
        self.folder = {"clip": models.clip, "rn50": models.rn50, "distil": models.distil}[self.model](report)
        if report.options.outliers:
            self.folder = models.with_outliers(report, self.model, self.folder)
            self.title += ", outliers"
        build = {("clip", "image"): models.torch_image, ("clip", "text"): models.torch_text,
                 ("rn50", "image"): models.torch_rn50, ("distil", "text"): models.torch_distil}
        self.module = build[self.model, self.kind](self.folder)
        self.x = self.inputs(np.random.default_rng(1), self.n)
        with torch.no_grad():
            self.reference = self.module(torch.from_numpy(self.x)).numpy()

    def inputs(self, rng, n):
        import numpy as np

        if self.kind == "image":  # as smooth as pictures are, and normalized
            coarse = rng.standard_normal((n, 3, 28, 28)).astype(np.float32).repeat(8, 2).repeat(8, 3)
            return np.ascontiguousarray(coarse + 0.3 * rng.standard_normal(coarse.shape).astype(np.float32))
        x = rng.integers(1000, 40000, (n, self.tokens))
        x[:, 0], x[:, -1] = (models.START, models.END) if self.model == "clip" else (101, 102)
        return x.astype(np.int64)

    def cosine(self, out):
        import numpy as np

        a, b = np.asarray(out, np.float64).reshape(self.reference.shape), self.reference.astype(np.float64)
        return float((np.sum(a * b, 1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())

    def file(self, *parts):
        return os.path.join(self.report.folder("exported-outliers" if self.report.options.outliers else "exported"),
                            "-".join(map(str, parts)))


# ---- simile ----


def simile(work, threads, dtype):
    report = work.report
    peer = common.Peer(report.program("bench/bench_peer"), work.folder, "--threads", str(threads), "--dtype", dtype)
    x, out = work.file("input"), work.file("output")
    work.x.astype("float32" if work.kind == "image" else "int32").tofile(x)
    if work.kind == "image":
        peer.ask("pixels", work.n, x, out)
    else:
        peer.ask("tokens", work.n, work.tokens, x, out)
    import numpy as np

    vectors = np.fromfile(out, np.float32)
    return {"dtype": dtype, "how": "", "cosine": work.cosine(vectors), "peer": peer,
            "call": lambda times: float(peer.ask("again", times))}


# ---- PyTorch ----


def torch_settings(work, threads):
    """(how, dtype, make) with make() -> call(); a setting that does not work says so by an exception."""
    import torch

    torch.set_num_threads(threads)
    x = torch.from_numpy(work.x)

    def prepared(dtype, last):
        import copy

        module, data = copy.deepcopy(work.module), x
        if dtype != torch.float32:
            module = module.to(dtype)
            data = x.to(dtype) if work.kind == "image" else x
        if last:
            module, data = module.to(memory_format=torch.channels_last), data.to(memory_format=torch.channels_last)
        return module, data

    def eager(dtype, last):
        module, data = prepared(dtype, last)
        return lambda: module(data)

    def compiled(dtype, last):
        import torch._dynamo
        import torch._inductor.config as inductor

        torch._dynamo.reset()
        inductor.freezing = True
        module, data = prepared(dtype, last)
        made = torch.compile(module, dynamic=False)
        return lambda: made(data)

    def dynamic_int8():
        from torch.ao.quantization import quantize_dynamic

        module = quantize_dynamic(prepared(torch.float32, False)[0], {torch.nn.Linear}, dtype=torch.qint8)
        return lambda: module(x)

    lasts = (False, True) if work.model == "rn50" else (False,)
    for dtype, name in ((torch.float32, "f32"), (torch.bfloat16, "bf16")):
        for last in lasts:
            label = "channels_last " * last
            yield label + "eager", name, lambda d=dtype, k=last: eager(d, k)
            if not work.report.options.no_compile:
                yield label + "compiled", name, lambda d=dtype, k=last: compiled(d, k)
    if work.model != "rn50":
        yield "quantize_dynamic", "int8", dynamic_int8


def torch_rival(work, threads):
    import torch

    for how, dtype, make in torch_settings(work, threads):
        def made(make=make):
            with torch.inference_mode():
                call = make()

            def run():
                torch.set_num_threads(threads)
                with torch.inference_mode():
                    return call()

            return run, lambda out: out.float().numpy()

        yield how, dtype, made


# ---- ONNX Runtime ----


def onnx_path(work):
    """Exported once by PyTorch, pieces left open, and checked there."""
    import torch

    path = work.file(work.model, work.kind) + ".onnx"
    if not os.path.exists(path):
        common.say(f"exporting {path}")
        x = torch.from_numpy(work.inputs(__import__("numpy").random.default_rng(3), 2))
        options = dict(input_names=["x"], output_names=["y"])
        try:
            torch.onnx.export(work.module, (x,), path + ".part", dynamo=True, external_data=False, optimize=True,
                              dynamic_shapes=({0: torch.export.Dim("n", min=1, max=4096)},), **options)
        except Exception as e:
            common.say(f"the exporter of torch.export failed, the older one is used: {repr(e)[:200]}")
            torch.onnx.export(work.module, (x,), path + ".part", dynamo=False, opset_version=17,
                              dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, **options)
        os.replace(path + ".part", path)
    return path


def onnx_int8(work):
    """Dynamic, per channel; in transformers the products alone, as ONNX Runtime's own scripts for them do."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path = work.file(work.model, work.kind, "int8") + ".onnx"
    if not os.path.exists(path):
        common.say(f"quantizing {path}")
        model = onnx.load(onnx_path(work))
        del model.graph.value_info[:]  # shapes that the exporter wrote of weights the quantizer turns round
        onnx.save(model, path + ".plain")
        quantize_dynamic(path + ".plain", path + ".part", weight_type=QuantType.QInt8, per_channel=True,
                         op_types_to_quantize=None if work.model == "rn50" else ["MatMul", "Gemm"])
        os.remove(path + ".plain")
        os.replace(path + ".part", path)
    return path


def onnx_fused(work):
    """onnxruntime.transformers' own fusions."""
    from onnxruntime.transformers import optimizer

    path = work.file(work.model, work.kind, "fused") + ".onnx"
    if not os.path.exists(path):
        heads, width = (12, 768) if work.kind == "image" or work.model == "distil" else (8, 512)
        kind = "clip" if work.model == "clip" else "bert"
        optimizer.optimize_model(onnx_path(work), model_type=kind, num_heads=heads, hidden_size=width, opt_level=0
                                 ).save_model_to_file(path)
    return path


def onnx_rival(work, threads):
    import onnxruntime as ort

    def made(path_of):
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = ort.InferenceSession(path_of(work), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda: session.run(None, {name: work.x})[0], lambda out: out

    yield "", "f32", lambda: made(onnx_path)
    if work.model != "rn50":
        yield "fused", "f32", lambda: made(onnx_fused)
    yield "dynamic", "int8", lambda: made(onnx_int8)


# ---- OpenVINO ----


def openvino_model(work):
    import openvino as ov

    return ov.Core().read_model(onnx_path(work))


def openvino_int8(work):
    """Calibrated on 32 inputs of the same kind by NNCF, as OpenVINO's documents say for transformers."""
    import nncf
    import numpy as np
    import openvino as ov

    path = work.file(work.model, work.kind, "nncf") + ".xml"
    if not os.path.exists(path):
        common.say(f"calibrating {path}")
        rng = np.random.default_rng(2)
        data = nncf.Dataset([work.inputs(rng, 1) for _ in range(32)])
        kind = {} if work.model == "rn50" else {"model_type": nncf.ModelType.TRANSFORMER}
        model = nncf.quantize(openvino_model(work), data, subset_size=32, **kind)
        ov.save_model(model, path, compress_to_fp16=False)
    return ov.Core().read_model(path)


def openvino_weights(work):
    """8-bit weights; activations are quantized as they come where the plugin does so (DYNAMIC_QUANTIZATION_GROUP_SIZE)."""
    import nncf
    import openvino as ov

    path = work.file(work.model, work.kind, "weights") + ".xml"
    if not os.path.exists(path):
        common.say(f"compressing {path}")
        ov.save_model(nncf.compress_weights(openvino_model(work), mode=nncf.CompressWeightsMode.INT8_SYM), path,
                      compress_to_fp16=False)
    return ov.Core().read_model(path)


def openvino_rival(work, threads):
    import openvino as ov

    def made(model_of, precision, **more):
        model = model_of(work)
        model.reshape({model.inputs[0].any_name: list(work.x.shape)})
        compiled = ov.Core().compile_model(model, "CPU", {
            "PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision,
            "NUM_STREAMS": "1", **more})
        request = compiled.create_infer_request()
        tensor = ov.Tensor(work.x, shared_memory=True)
        request.set_input_tensor(tensor)

        def call():
            request.infer()
            return request.get_output_tensor().data

        return call, lambda out: out.copy()

    yield "", "f32", lambda: made(openvino_model, "f32")
    yield "", "bf16", lambda: made(openvino_model, "bf16")
    yield "NNCF", "int8", lambda: made(openvino_int8, "bf16")
    yield "NNCF, rest f32", "int8", lambda: made(openvino_int8, "f32")
    if work.model != "rn50":
        for group in ("32", "128", str(2**64 - 1)):
            yield f"int8 weights, dynamic by {group if len(group) < 4 else 'token'}", "int8", lambda g=group: made(
                openvino_weights, "f32", DYNAMIC_QUANTIZATION_GROUP_SIZE=g)


# ---- trials and rounds ----


def trial(work, who, how, dtype, made):
    """One setting: its cosine and about how long it takes; None where it does not run."""
    try:
        call, to_numpy = made()
        cosine = work.cosine(to_numpy(call()))
        once = common.timed(call)
        seconds = [once()]
        while sum(seconds) < TRIAL_SECONDS and len(seconds) < 9:
            seconds.append(once())
    except Exception as e:
        work.report.skip(f"{who} {how} {dtype}, {work.title}", repr(e))
        if work.report.options.trace:
            traceback.print_exc()
        return None
    found = {"dtype": dtype, "how": how, "cosine": cosine, "seconds": min(seconds),
             "call": lambda times: common.timed(call, times)()}
    common.say(f"    trial: {who} {how} {dtype}: {1e3 * found['seconds']:.2f} ms, cosine {cosine:.6f}")
    return found


def best(settings):
    """The fastest in float32, and the fastest that is accurate enough."""
    settings = [s for s in settings if s and s["cosine"] >= LEAST_COSINE]
    single = [s for s in settings if s["dtype"] == "f32"]
    chosen = [min(some, key=lambda s: s["seconds"]) for some in (single, settings) if some]
    return chosen if len(chosen) < 2 or chosen[0] is not chosen[1] else chosen[:1]


RIVALS = {"PyTorch": ("torch", torch_rival), "ONNX Runtime": ("onnxruntime", onnx_rival),
          "OpenVINO": ("openvino", openvino_rival)}


def compare(report, key, threads, present):
    work = Work(report, key)
    ours = []
    for dtype in report.options.dtypes:
        try:
            ours.append(simile(work, threads, dtype))
            common.say(f"    simile {dtype}: cosine {ours[-1]['cosine']:.6f}")
        except RuntimeError as e:
            report.skip(f"simile {dtype}, {work.title}", e)
    chosen = [("simile", s) for s in ours]
    for who in present:
        settings = [trial(work, who, *setting) for setting in RIVALS[who][1](work, threads)]
        chosen += [(who, s) for s in best(settings)]
        del settings
    sides = []
    for who, s in chosen:
        first = s["call"](1)
        times = max(1, min(50, int(0.15 / max(first, 1e-6))))
        sides.append(common.side(who, lambda s=s, times=times: s["call"](times), s["how"], s["dtype"],
                                 cosine=round(s["cosine"], 6)))
    common.alternate(report, sides)
    for s in ours:
        s["peer"].close()
    report.entry(work.title, threads, work.n, "pictures" if work.kind == "image" else "texts", sides,
                 {"f32": 1.15, "best": 1.5}, key=key)


def main():
    report = common.Report(
        "encoders", __doc__, data={"default": os.environ.get("SIMILE_RIVALS_DATA", "")},
        only={"nargs": "+", "choices": list(WORKS), "default": list(WORKS)},
        dtypes={"nargs": "+", "default": ["f32", "bf16", "int8"]},
        rivals={"nargs": "+", "choices": list(RIVALS), "default": list(RIVALS)},
        outliers={"action": "store_true", "help": "weights whose activations are as uneven as those of trained networks"},
        no_compile={"action": "store_true", "help": "leave out torch.compile, which takes half a minute a model"},
        trace={"action": "store_true"})
    if report.options.outliers:
        report.name = "outliers"
    common.fixtures()
    if not report.module("torch") or not report.module("transformers"):
        report.write()
        sys.exit(3)
    present = [w for w in report.options.rivals if report.module(RIVALS[w][0], who=w)]
    report.module("nncf", who="OpenVINO's int8")
    for key in report.options.only:
        for threads in report.options.threads:
            try:
                compare(report, key, threads, present)
            except Exception as e:
                traceback.print_exc()
                report.skip(WORKS[key][0], repr(e))
    report.write()


if __name__ == "__main__":
    main()
