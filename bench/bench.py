"""Igata beside other engines, side by side in one run.

Every engine lives in a process of its own, pinned to the same cores. The engines take turns (A B C A B C ...), so that a
noisy machine is noisy for all of them; what counts are medians and their ratios. The inputs are a recorded data set.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import machine
from case import ROOT, Case, find_model
from start import measure_starts

ENGINES = ("igata", "onnxruntime", "openvino", "litert")


class Worker:
    """An engine in its own process that runs a number of inferences when told so and answers with a line of JSON."""

    def __init__(self, engine, case, threads, cores):
        command = [sys.executable, str(ROOT / "bench" / "engine.py"), engine, str(case.folder), str(threads)]
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
        return answer["times"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def start(case, threads, cores, options):
    """The workers that are available; the others are named with their reasons."""
    workers = []
    for engine in options.engines:
        worker = Worker(engine, case, threads, cores)
        if "error" in worker.ready:
            print(f"  {case.model.name} without {engine}: {worker.ready['error']}", file=sys.stderr)
            worker.close()
        else:
            workers.append(worker)
    return workers


def measure(case, threads, options):
    cores = sorted(os.sched_getaffinity(0))[-threads:]
    workers = start(case, threads, cores, options)
    starts = measure_starts([worker.engine for worker in workers], case, threads, cores, options.starts)
    runs = max(3, options.runs // case.batch)
    for worker in workers:
        worker.run(max(3, options.warmup // case.batch))
        worker.times.clear()
    medians = {worker.engine: [] for worker in workers}
    for _ in range(options.rounds):
        for worker in workers:
            medians[worker.engine].append(statistics.median(worker.run(runs)))
    rows = [row(worker, medians, case, threads) | starts.get(worker.engine, {}) for worker in workers]
    for worker in workers:
        worker.close()
    return rows


def row(worker, medians, case, threads):
    """Ratios are taken round by round, where both engines saw the same machine."""
    ratios = sorted(other / igata for other, igata in zip(medians[worker.engine], medians.get("igata", [])))
    median = statistics.median(worker.times)
    return {
        "model": case.model.name, "batch": case.batch, "threads": threads, "engine": worker.engine,
        "version": worker.ready["version"], "median_ms": median, "min_ms": min(worker.times),
        "items_per_second": 1e3 * case.batch / median,
        "over_igata": statistics.median(ratios) if ratios else None,
        "over_igata_spread": [ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]] if ratios else None,
        "create_ms": worker.ready["create_ms"], "first_ms": worker.ready["first_ms"], "difference": worker.ready["difference"],
    }


def ratio_text(r):
    return "" if r["over_igata"] is None else "{:.2f} ({:.2f} to {:.2f})".format(r["over_igata"], *r["over_igata_spread"])


def markdown(rows):
    lines = ["| model | batch | threads | engine | median ms | min ms | a second | engine / Igata (10 to 90 %) | create ms | first run ms "
             "| process to first result ms | peak MB | largest error |", "|---|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for r in rows:
        lines.append(f"| {r['model']} | {r['batch']} | {r['threads']} | {r['engine']} {r['version']} | {r['median_ms']:.2f} | {r['min_ms']:.2f} | "
                     f"{r['items_per_second']:.0f} | {ratio_text(r)} | {r['create_ms']:.0f} | {r['first_ms']:.1f} | "
                     f"{r['start_ms']:.0f} | {r['peak_mb']:.0f} | {r['difference']:.1e} |")
    return "\n".join(lines)


def best_peers(rows):
    """A line for each case: the peer with the smallest median over Igata."""
    lines = []
    for key in dict.fromkeys((r["model"], r["batch"], r["threads"]) for r in rows):
        here = {r["engine"]: r for r in rows if (r["model"], r["batch"], r["threads"]) == key}
        igata = here.pop("igata", None)
        if igata and here:
            best = min(here.values(), key=lambda r: r["median_ms"])
            lines.append("- {}, batch {}, {} thread{}: best peer / Igata = **{}**: {} {:.2f} ms, Igata {:.2f} ms".format(
                *key, "s" if key[2] > 1 else "", ratio_text(best), best["engine"], best["median_ms"], igata["median_ms"]))
    return "\n".join(lines)


def heading(cpu, peaks):
    text = f"{cpu['name']}, {cpu['cores']} cores, {' '.join(cpu['flags'])}; {time.strftime('%Y-%m-%d')}."
    for threads, peak in peaks.items():
        text += (f" Peak measured on {threads} thread{'s' if threads > 1 else ''}: {peak['gflops']:.0f} GFLOP/s f32, "
                 f"reading memory {peak['read_gb']:.0f} GB/s.")
    return text


def numbers(text):
    return [int(word) for word in text.split(",")]


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["efficientnet_b0"])
    parser.add_argument("--igata", required=True, type=pathlib.Path, help="the compiler")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "bench", help="folder for what is compiled")
    parser.add_argument("--cmake", action="append", default=[], metavar="-DNAME=VALUE",
                        help="--cmake=-DNAME=VALUE: for building the predictor")
    parser.add_argument("--threads", type=numbers, default=[1], help="comma-separated, for instance 1,2")
    parser.add_argument("--batch", type=numbers, default=[1], help="comma-separated, for instance 1,8")
    parser.add_argument("--cast-for", type=int, default=1, metavar="N",
                        help="batch that Igata's predictor is cast for; it runs any multiple")
    parser.add_argument("--engines", type=lambda text: text.split(","), default=list(ENGINES),
                        help="comma-separated; also igata_bf16, which is Igata with --precision bf16")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--runs", type=int, default=20, help="inferences per engine and round")
    parser.add_argument("--warmup", type=int, default=20)
    parser.add_argument("--starts", type=int, default=7, help="processes started per engine")
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures here")
    parser.add_argument("--markdown", type=pathlib.Path, help="also write the table here")
    options = parser.parse_args()
    options.igata = options.igata.resolve()
    return options


def main():
    options = parse()
    rows, peaks = [], {}
    for name in options.models:
        for batch in options.batch:
            case = Case(find_model(name), batch, options)
            for threads in options.threads:
                if threads not in peaks:
                    cores = sorted(os.sched_getaffinity(0))[-threads:]
                    peaks[threads] = machine.peak(case.predictor, case.files(), threads, cores)
                rows += measure(case, threads, options)
    cpu = machine.cpu()
    page = f"{heading(cpu, peaks)}\n\n{markdown(rows)}\n\n{best_peers(rows)}\n"
    print(page)
    if options.markdown:
        options.markdown.write_text(page)
    if options.json:
        options.json.write_text(json.dumps({"cpu": cpu, "peaks": peaks, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
