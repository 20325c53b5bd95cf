"""The page for those who read it by ear or keyboard: axe-core's findings in a real browser.

axe-core is a file of a JavaScript package (axe-core on npm). The tests look for it at AXE_CORE, the path of its
axe.min.js, and are skipped where that, or a browser, is not there.
"""

import html
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from made_up import HOSTILE, MIXED, entry, everything, run

from progbench.judging.compared import Contrast
from progbench.report.writing import write

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = Path(os.environ.get("AXE_CORE") or "/nowhere/axe.min.js")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here to open the report in"),
    pytest.mark.skipif(not AXE.is_file(), reason="AXE_CORE names no axe.min.js (npm install axe-core)"),
]
OPTIONS = "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-sync --no-first-run"
FINDINGS = """<script>addEventListener("load", () => axe.run(document, {resultTypes: ["violations"]}).then((found) => {
document.title = "axe" + JSON.stringify(found.violations.map((one) => [one.impact, one.id, one.nodes[0].html]));
}))</script>"""
CONTRASTS = [
    Contrast("Table 1", "m", "shrinking", "constant", "Avg", True, 0.2, 0.6, updated=0.741, flops=0.889),
    Contrast("Table 5", "m", "shrinking", "growing", "RTE", False, updated=1.0, flops=1.0),
]
REPORTS = {
    "mixed": replace(MIXED, ledger=[entry(runs=[run(0), run(1)])], contrasts=CONTRASTS, purpose="A suite"),
    "hostile": everything(HOSTILE, HOSTILE),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", REPORTS)
def test_axe_finds_nothing_serious(tmp_path, name, scheme):
    write(REPORTS[name], tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)  # it forbids axe, as it should
    axe = f"<script>{AXE.read_text(encoding='utf-8')}</script>"
    (tmp_path / "page.html").write_text(page.replace("</body>", f"{axe}{FINDINGS}</body>"), encoding="utf-8")
    options = [*OPTIONS.split(), "--virtual-time-budget=60000", f"--user-data-dir={tmp_path / 'profile'}"]
    options += ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    command = [CHROMIUM, *options, "--dump-dom", (tmp_path / "page.html").as_uri()]
    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(html.unescape(re.search(r"<title>axe(.*?)</title>", dump, re.DOTALL).group(1)))

    assert [one for one in found if one[0] in ("serious", "critical")] == []
