"""Judges the samples of kernel/price: prints its table, and exits with 1 if the patched kernel may be slower.

A line of the file is `boot kernel release ring batch mean median`, in instructions per batch, or `boot kernel release
ring absent`. Boots 1 and 2 are a pair, 3 and 4, and so on. The mean of all rounds of a boot is judged: unlike the median it
includes timer interrupts, which fall differently in each boot, and other rare events.
"""
import math
import statistics
import sys

LIMIT = 0.01
SIZES = (1, 8, 32, 128)
RINGS = {"plain": "no flag", "flag": "flag, none urgent", "urgent": "flag, 1 of 32 urgent"}
# Student's t, one-sided 95 %, by degrees of freedom from 1 on.
T95 = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753,
       1.746, 1.740, 1.734, 1.729, 1.725, 1.721, 1.717, 1.714, 1.711, 1.708, 1.706, 1.703, 1.701, 1.699)


def fail(why):
    print(f"kernel/price: {why}", file=sys.stderr)
    sys.exit(2)


def read(path):
    """Maps each boot to its kernel, its release, and its samples by ring and batch."""
    boots = {}
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError as error:
        fail(f"no samples in {path}: {error.strerror}")
    except UnicodeDecodeError:
        fail(f"no samples in {path}: the file is not text")
    for number, line in enumerate(lines, 1):
        words = line.split()
        try:
            kernel, release, ring = words[1:4]
            boot = boots.setdefault(int(words[0]), (kernel, release, {}))
            if words[4:] != ["absent"]:
                batch, mean, median = words[4:]
                boot[2][ring, int(batch)] = float(mean), float(median)
        except ValueError:
            fail(f"{path}:{number}: not `boot kernel release ring batch mean median`: {line}")
    return boots


def pair_up(boots):
    """Returns the samples of every two consecutive boots as (stock, patched)."""
    if len(boots) < 4 or sorted(boots) != list(range(1, len(boots) + 1)) or len(boots) % 2:
        fail("the samples are not from two or more pairs of boots")
    if len(boots) // 2 > len(T95) + 1:
        fail(f"at most {len(T95) + 1} pairs of boots")
    pairs = []
    for first in range(1, len(boots), 2):
        two = {kernel: samples for kernel, _, samples in (boots[first], boots[first + 1])}
        if set(two) != {"stock", "patched"}:
            fail(f"boots {first} and {first + 1} are not one of each kernel")
        for kernel, ring in [("stock", "plain")] + [("patched", ring) for ring in RINGS]:
            if any(two[kernel].get((ring, batch), (0,))[0] <= 0 for batch in SIZES):
                fail(f"boots {first} and {first + 1}: no samples of all batches of a ring with \"{RINGS[ring]}\" on the"
                     f" {kernel} kernel" + (": does it have the patches?" if ring != "plain" else ""))
        pairs.append((two["stock"], two["patched"]))
    return pairs


def bound(logs):
    """Returns the mean of log ratios and its upper bound, both as an increase: 0.01 is 1 %."""
    mean = statistics.mean(logs)
    half = T95[len(logs) - 2] * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.expm1(mean), math.expm1(mean + half)


def main():
    boots = read(sys.argv[1])
    pairs = pair_up(boots)
    releases = {kernel: release for kernel, release, _ in boots.values()}
    print(f"stock {releases['stock']}, patched {releases['patched']}: {len(pairs)} boots of each, in ABBA order.")
    print("Instructions of io_uring_enter for a batch of NOPs, under emulation (QEMU TCG, -icount, one CPU); not times.")
    print("Path: the median of a boot's rounds. Slowdown: from the mean of all rounds, interrupts included.\n")
    print(f"{'batch':>5}  {'ring':<20}  {'stock path':>10}  {'patched path':>12}  {'slowdown':>9}  {'upper 95 %':>10}")
    above = []
    for ring, name in RINGS.items():
        for batch in SIZES:
            logs = [math.log(patched[ring, batch][0] / stock["plain", batch][0]) for stock, patched in pairs]
            slowdown, upper = bound(logs)
            paths = [statistics.median(x) for x in ([stock["plain", batch][1] for stock, _ in pairs],
                                                    [patched[ring, batch][1] for _, patched in pairs])]
            print(f"{batch:5}  {name:<20}  {paths[0]:10.0f}  {paths[1]:12.0f}  {100 * slowdown:+7.2f} %  {100 * upper:+8.2f} %")
            if ring == "plain" and not upper < LIMIT:
                above.append(f"{batch} ({100 * upper:+.2f} %)")
    if above:
        print(f"\nfailed: without the flag the upper bound is not below {100 * LIMIT:.0f} % for batches of {', '.join(above)}")
        sys.exit(1)
    print(f"\npassed: without the flag every upper bound is below {100 * LIMIT:.0f} %")


if __name__ == "__main__":
    main()
