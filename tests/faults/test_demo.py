"""The example `rebuild`, run as a user runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_portfolio_follows_its_rewards_and_keeps_out_what_is_harmful(tmp_path):
    environment = {**os.environ, "PALM": str(Path(sys.executable).with_name("palm")), "OMP_NUM_THREADS": "1"}
    command = [ROOT / "examples" / "rebuild" / "demo.sh", tmp_path / "living"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    _, first, unchanged, changed, harmful, back, history = re.split(r"== \d\. ", done.stdout)
    assert "# living: version 1 is champion" in first and "6 trained, 0 reused" in first
    assert "nothing has changed, nothing was built" in unchanged and "train_policy" not in unchanged
    assert re.findall(r"- `reward (\w+): source", changed) == ["humour"] and "- `reward" not in unchanged
    assert "# living: version 2 is champion" in changed
    trained, reused = map(int, re.search(r"Policies: (\d) trained.*?, (\d) reused", changed).groups())
    assert trained + reused == 6 and reused >= 1
    assert re.search(
        r"largest loss of any preference against version 1 -?0\.\d+ \(bound .* keeps the limit 0\.03", changed
    )
    assert "# living: version 3 was not promoted: " in harmful
    assert re.search(r"metric harmless 0\.\d+ \(bound 0\.\d+\) at policy-\w+ breaks the limit 0\.82", harmful)
    assert "champion is version 1, was version 2" in back
    for line in ("– → 1", "1 → 2", "2 → 1", "rollback", "refused", "users liked it better"):
        assert line in history
