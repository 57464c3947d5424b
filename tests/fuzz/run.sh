#!/bin/sh
# Fuzzes git-model's parsers, one target after the other.
#
#   tests/fuzz/run.sh [--seconds N] [--log FILE] [TARGET...]
#
# Without targets: all of them, for 300 seconds each. Needs a nightly compiler and cargo-fuzz, git and unzip.
#
# Seeds are taken from tests/data. Stops with 1 at the first finding, whose input is in tests/fuzz/artifacts/TARGET/;
# mend what it broke, and keep it as tests/data/fuzz/TARGET/NAME, where tests/fuzz_regressions.rs replays it.
set -eu

cd "$(dirname "$0")/../.."
fuzz=tests/fuzz
data=tests/data
seconds=300
log=$fuzz/artifacts/log.tsv
targets=

usage() {
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
        --seconds | --log)
            [ $# -ge 2 ] || usage
            if [ "$1" = --log ]; then log=$2; else seconds=$2; fi
            shift
            ;;
        -*) usage ;;
        *) targets="$targets $1" ;;
    esac
    shift
done
[ -n "$targets" ] || targets=$(sed -n 's/^    ("\([a-z0-9_]*\)",.*/\1/p' $fuzz/src/lib.rs)

# copy TARGET FILE...: puts files among the seeds.
copy() {
    into=$fuzz/corpus/$1
    shift
    for file in "$@"; do
        [ ! -f "$file" ] || cp "$file" "$into/"
    done
}

# Indexes of every version and both hashes, with the entries that the target asks for.
seed_indexes() {
    into=$PWD/$fuzz/corpus/index_stat
    for hash in sha1 sha256; do
        for version in 2 3 4; do
            work=$(mktemp -d)
            (
                cd "$work"
                export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
                git init -q --object-format=$hash
                mkdir dir
                touch a model.bin dir/model.bin m
                git update-index --index-version $version
                git add a model.bin dir m
                touch later
                [ $version = 2 ] || git add -N later
                cp .git/index "$into/$hash-$version"
            )
            rm -rf "$work"
        done
    done
}

# A conversation as git has it: greetings, a clean with content, a smudge.
seed_conversation() {
    {
        printf '0016git-filter-client\n000eversion=2\n0000'
        printf '0015capability=clean\n0016capability=smudge\n0015capability=delay\n0000'
        printf '0012command=clean\n0015pathname=model.bin\n0000000aweight0000'
        printf '0013command=smudge\n0013pathname=m.bin\n0010can-delay=1\n000bblob=12\n00000000'
        printf '001dcommand=list_available_blobs\n0000'
    } > "$fuzz/corpus/filter_protocol/conversation"
}

# Three versions of a parameter file in each syntax, and rules.
seed_merges() {
    into=$fuzz/corpus
    mkdir -p "$into/merge_params" "$into/merge_rules"
    for value in 1 2 3; do
        printf '{\n  "lr": 1e-%s,\n  "model": {"heads": [1, 2], "name": "a"},\n  "seed": %s\n}\n\0' $value $value
    done | sed '1s/^/\x00/' > "$into/merge_params/json"
    for value in 1 2 3; do
        printf '# trained\nlr: 1e-%s  # low\nmodel:\n  heads:\n    - 1\n  name: &n a\nseed: %s\n\0' $value $value
    done | sed '1s/^/\x01/' > "$into/merge_params/yaml"
    for value in 1 2 3; do
        printf 'lr = 1e-%s # low\n\n[model]\nheads = [1, 2]\nname = "a"\n\n[[rule]]\nseed = %s\n\0' $value $value
    done | sed '1s/^/\x02/' > "$into/merge_params/toml"
    printf '[merge]\nstrategy = "ties"\ndensity = 0.5\n\n[[merge.rule]]\ntensors = "*.bias"\nstrategy = "ours"\n' \
        > "$into/merge_rules/table"
    printf 'linear weight=0.3,0.7 normalize=false' > "$into/merge_rules/line"
}

# seed_rebuild FILE...: two versions of each file, what to take of them before them.
seed_rebuild() {
    for file in "$@"; do
        [ -f "$file" ] || continue
        size=$(wc -c < "$file")
        [ "$size" -lt 70000 ] || continue
        {
            printf '\1\7\6\5\4\3\2\1\0\7\3\7\3\7\3\7'
            # The length, as four bytes.
            for shift in 1 256 65536 16777216; do
                printf '%b' "\\0$(printf %o $((size / shift % 256)))"
            done
            cat "$file" "$file"
        } > "$fuzz/corpus/merge_rebuild/$(basename "$file")"
    done
}

seed() {
    mkdir -p "$fuzz/corpus/$1"
    copy "$1" "$data/fuzz/$1"/*
    case $1 in
        pytorch) copy "$1" $data/models/*.pt $data/hostile/*.pt ;;
        pickle)
            for file in "$data"/models/*.pt "$data"/hostile/*.pt; do
                # Some are no archives, or broken ones: then what came out is the seed.
                unzip -p "$file" '*/data.pkl' > "$fuzz/corpus/pickle/$(basename "$file")" 2> /dev/null || true
            done
            # One of them is a bomb.
            find "$fuzz/corpus/pickle" -size +64k -delete
            ;;
        onnx) copy "$1" $data/models/*.onnx $data/hostile/*.onnx ;;
        hdf5) copy "$1" $data/models/*.h5 $data/hostile/*.h5 ;;
        gguf) copy "$1" $data/models/*.gguf $data/hostile/*.gguf ;;
        safetensors) copy "$1" $data/models/*.safetensors $data/pairs/*.safetensors $data/hostile/*.safetensors ;;
        npy) copy "$1" $data/models/*.npy $data/hostile/*.npy ;;
        npz) copy "$1" $data/models/*.npz $data/hostile/*.npz ;;
        keras) copy "$1" $data/models/*.keras $data/hostile/*.keras $data/hostile/zip-*.npz ;;
        detect) copy "$1" $data/models/* $data/hostile/* ;;
        manifest) copy "$1" $data/hostile/manifest-* ;;
        filter_protocol) seed_conversation ;;
        index_stat) seed_indexes ;;
        merge_params | merge_rules) seed_merges ;;
        merge_rebuild) seed_rebuild $data/models/* ;;
        codec_round_trip | codec_decode) copy "$1" $data/pairs/*.safetensors $data/models/*.npy ;;
        *) ;;
    esac
}

# The rest of libFuzzer's memory is its own: the sanitizer's quarantine is cut to leave room under the limit.
export ASAN_OPTIONS="quarantine_size_mb=16:${ASAN_OPTIONS:-}"
mkdir -p "$fuzz/artifacts" "$(dirname "$log")"
for target in $targets; do
    # Apart from the run, so that what does not build is not taken for a finding.
    cargo +nightly fuzz build --fuzz-dir "$fuzz" "$target"
done
for target in $targets; do
    seed "$target"
    output=$fuzz/artifacts/$target.log
    printf '%s: %s seconds\n' "$target" "$seconds"
    status=0
    cargo +nightly fuzz run --fuzz-dir "$fuzz" "$target" -- -max_total_time="$seconds" -timeout=5 -rss_limit_mb=512 \
        -max_len=150000 -print_final_stats=1 > "$output" 2>&1 || status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$output")
    coverage=$(sed -n 's/.* cov: \([0-9]*\) ft: \([0-9]*\) .*/\1\t\2/p' "$output" | tail -n 1)
    printf '%s\t%s\t%s\t%s\t%s\n' "$target" "$seconds" "${runs:-0}" "$coverage" "$status" >> "$log"
    if [ "$status" -ne 0 ]; then
        tail -n 40 "$output" >&2
        printf '%s: a finding; see %s\n' "$target" "$output" >&2
        exit 1
    fi
done
