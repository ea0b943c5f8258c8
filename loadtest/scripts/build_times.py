#!/usr/bin/env python3
"""Measures the cost of a cargo profile: the time of a cold build of the workspace and of a build after one changed line of the
proxy, and the size of the binaries. Options replace those of the profile, as in `lto=thin codegen-units=16`.

    loadtest/scripts/build_times.py --name release
    loadtest/scripts/build_times.py --name thin-16 --target /tmp/build lto=thin codegen-units=16 incremental=true

Compare CPU times on a busy machine; wall times are meaningful on an idle one only.
"""
import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A file of the hot path, so that the profile's inlining has work to do.
PROBED = "src/proxy/pump.rs"
PROBE = re.compile(r"^( *)(?:pub(?:\([^)]*\))? )?fn [^{]*\{\n", re.MULTILINE)


def run(arguments, environment, root):
    """Runs cargo; answers wall and CPU seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(arguments, cwd=root, env=environment, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"wall_s": round(time.monotonic() - began, 1), "cpu_s": round(cpu, 1)}


def changed(text, number):
    """The text with one more statement in its first function."""
    found = PROBE.search(text)
    at = found.end()
    return f"{text[:at]}{found[1]}    std::hint::black_box({number}_u32);\n{text[at:]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="what to call this measurement")
    parser.add_argument("--profile", default="release", help="the profile of Cargo.toml to begin with")
    parser.add_argument("--root", type=pathlib.Path, default=ROOT, help="source tree; the script changes one file and restores it")
    parser.add_argument("--target", type=pathlib.Path, default=ROOT / "target" / "build-times", help="emptied before the build")
    parser.add_argument("--jobs", default=str(os.cpu_count()))
    parser.add_argument("--rebuilds", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="do not empty the target directory: no cold build")
    parser.add_argument("options", nargs="*", metavar="OPTION=VALUE", help="options of the profile")
    arguments = parser.parse_args()

    environment = dict(os.environ, CARGO_TARGET_DIR=str(arguments.target / arguments.name))
    cargo = ["cargo", "build", "--locked", "--workspace", "--quiet", "--profile", arguments.profile, "-j", arguments.jobs]
    for option in arguments.options:
        name, value = option.split("=")
        value = value if value.isdigit() or value in ("true", "false") else f'"{value}"'
        cargo += ["--config", f"profile.{arguments.profile}.{name}={value}"]
    result = {"name": arguments.name, "profile": arguments.profile, "options": arguments.options, "jobs": arguments.jobs}
    if not arguments.keep:
        shutil.rmtree(arguments.target / arguments.name, ignore_errors=True)
        result["cold"] = run([*cargo, "--timings"], environment, arguments.root)
        print(json.dumps(result), file=sys.stderr, flush=True)
    probed = arguments.root / PROBED
    original = probed.read_text()
    result["rebuilds"] = []
    try:
        for number in range(arguments.rebuilds):
            probed.write_text(changed(original, number))
            result["rebuilds"].append(run(cargo, environment, arguments.root))
            print(json.dumps(result), file=sys.stderr, flush=True)
    finally:
        probed.write_text(original)
    folder = arguments.target / arguments.name / ("debug" if arguments.profile == "dev" else arguments.profile)
    result["bytes"] = {name: (folder / name).stat().st_size for name in ("ringway", "ringway-load")}
    stripped = folder / "ringway.stripped"
    subprocess.run(["strip", "-o", stripped, folder / "ringway"], check=True)
    result["bytes"]["ringway, stripped"] = stripped.stat().st_size
    print(json.dumps(result))


if __name__ == "__main__":
    main()
