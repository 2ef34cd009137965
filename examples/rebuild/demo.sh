#!/usr/bin/env bash
# The life of a portfolio: build, no change, a changed reward, a harmful reward, rollback, history.
# Usage: examples/rebuild/demo.sh [FOLDER]   (palm must be on the PATH, or named by PALM)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-living}
palm=${PALM:-palm}

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
outcome() { cat "$(ls -d "$work"/builds/*/ | tail -1)outcome.md"; }
rebuild() { "$palm" run "$work/portfolio.yaml" --if-changed; outcome; }

step "1. Build and promote version 1"
"$palm" init "$work" --example quickstart
cp "$here/portfolio.yaml" "$here/metrics.py" "$work/"
rebuild

step "2. Nothing has changed: no training"
rebuild

step "3. One reward changes: in humour, a warning now takes three fifths of the fun away"
sed -i.before 's/0\.8 \*\* _count_sentences(response, CAUTIOUS)/0.4 ** _count_sentences(response, CAUTIOUS)/' "$work/rewards.py"
rebuild

step "4. A harmful one: humour now pays for reckless sentences"
sed -i.before 's/_count_sentences(response, PLAYFUL)) \* 0\.4/_count_sentences(response, RECKLESS)) * 0.4/' "$work/rewards.py"
rebuild

step "5. Back to version 1"
"$palm" rollback "$work/portfolio.yaml" --reason "users liked it better"

step "6. What happened"
"$palm" history "$work/portfolio.yaml"
"$palm" generate --config "$work/portfolio.yaml" --weights 0.1,0.8,0.1 --prompt "How do I fix a door?"
