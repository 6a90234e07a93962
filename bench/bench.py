"""Igata beside other engines, side by side in one run.

Every engine lives in a process of its own, pinned to the same cores. The engines take turns (A B C A B C ...), so that a
noisy machine is noisy for all of them; what counts are medians and their ratios. The inputs are a recorded data set.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
ENGINES = ("igata", "onnxruntime", "openvino", "litert")


def find_model(name):
    """A folder with model.onnx and test_data_set_0: a path, an example of the repository, or a shared test model."""
    for folder in (pathlib.Path(name), ROOT / "examples" / name, ROOT.parent / "shared" / "models" / name):
        if (folder / "model.onnx").is_file():
            return folder.resolve()
    raise SystemExit(f"bench: no model '{name}': give a folder with model.onnx and test_data_set_0")


class Worker:
    """An engine in its own process that runs a number of inferences when told so and answers with a line of JSON."""

    def __init__(self, engine, model, threads, cores, options):
        command = [sys.executable, str(HERE / "engine.py"), engine, str(model), str(threads), str(options.igata),
                   str(options.build)]
        self.engine = engine
        self.times = []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=lambda: os.sched_setaffinity(0, cores))
        self.ready = self.read()

    def read(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": "the engine's process ended"}

    def run(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        answer = self.read()
        if "error" in answer:
            raise SystemExit(f"bench: {self.engine}: {answer['error']}")
        self.times += answer["times"]
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def start(model, threads, options):
    """The workers that are available; the others are named with their reasons."""
    cores = sorted(os.sched_getaffinity(0))[-threads:]
    workers = []
    for engine in options.engines:
        worker = Worker(engine, model, threads, cores, options)
        if "error" in worker.ready:
            print(f"  without {engine}: {worker.ready['error']}", file=sys.stderr)
            worker.close()
        else:
            workers.append(worker)
    return workers


def measure(model, threads, options):
    workers = start(model, threads, options)
    for worker in workers:
        worker.run(options.warmup)
        worker.times.clear()
    medians = {worker.engine: [] for worker in workers}
    for _ in range(options.rounds):
        for worker in workers:
            medians[worker.engine].append(statistics.median(worker.run(options.runs)["times"]))
    rows = [row(worker, medians, threads, model.name) for worker in workers]
    for worker in workers:
        worker.close()
    return rows


def row(worker, medians, threads, model):
    """Ratios are taken round by round, where both engines saw the same machine."""
    ratios = sorted(other / igata for other, igata in zip(medians[worker.engine], medians.get("igata", [])))
    return {
        "model": model, "threads": threads, "engine": worker.engine, "version": worker.ready["version"],
        "median_ms": statistics.median(worker.times), "min_ms": min(worker.times),
        "over_igata": statistics.median(ratios) if ratios else None,
        "over_igata_spread": [ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]] if ratios else None,
        "create_ms": worker.ready["create_ms"], "first_ms": worker.ready["first_ms"],
        "peak_mb": worker.run(1)["peak_mb"], "difference": worker.ready["difference"],
    }


def markdown(rows):
    lines = ["| model | threads | engine | median ms | engine / Igata (10 to 90 %) | create ms | first run ms | peak MB "
             "| largest error |", "|---|---|---|---|---|---|---|---|---|"]
    for r in rows:
        ratio = "" if r["over_igata"] is None else "{:.2f} ({:.2f} to {:.2f})".format(r["over_igata"], *r["over_igata_spread"])
        lines.append(f"| {r['model']} | {r['threads']} | {r['engine']} {r['version']} | {r['median_ms']:.2f} | {ratio} | "
                     f"{r['create_ms']:.0f} | {r['first_ms']:.1f} | {r['peak_mb']:.0f} | {r['difference']:.1e} |")
    return "\n".join(lines)


def cpu_name():
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
        return next(line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["efficientnet_b0"])
    parser.add_argument("--igata", required=True, type=pathlib.Path, help="the compiler")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "bench", help="folder for what is compiled")
    parser.add_argument("--threads", default="1", help="comma-separated, for instance 1,2")
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--runs", type=int, default=20, help="inferences per engine and round")
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures here")
    parser.add_argument("--markdown", type=pathlib.Path, help="also write the table here")
    options = parser.parse_args()
    options.igata = options.igata.resolve()
    options.engines = options.engines.split(",")

    print(f"{cpu_name()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}\n")
    rows = []
    for name in options.models:
        for threads in map(int, options.threads.split(",")):
            rows += measure(find_model(name), threads, options)
    table = markdown(rows)
    print(table)
    if options.markdown:
        options.markdown.write_text(table + "\n")
    if options.json:
        options.json.write_text(json.dumps({"cpu": cpu_name(), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
