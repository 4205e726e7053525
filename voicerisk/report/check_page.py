"""One page that says what a study will use, what not, why, and what to mend."""

import pandas as pd

TITLES = {"mend": "To mend", "look": "To look at", "fine": "In order"}
HEAD = {"row": "Row", "call_id": "Call", "used": "Used", "why_not": "Why not", "seconds": "Seconds",
        "sample_rate": "Hz", "channels": "Channels", "format": "Format", "spans": "Spans",
        "spoken_s": "Seconds in spans"}  # fmt: skip
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Check of {{ name }}</title><style>{{ style }}</style></head>
<body><main><h1>Check of {{ name }}</h1>
<p>{{ verdict }}</p>
{% for kind, rows in findings %}<section><h2>{{ titles[kind] }} ({{ rows | length }})</h2>
<table><thead><tr>
<th scope="col">About</th><th scope="col">Found</th><th scope="col">Remedy</th></tr></thead><tbody>
{% for row in rows %}<tr class="{{ kind }}"><th scope="row">{{ row.about }}</th><td>{{ row.found }}</td>
<td>{{ row.remedy }}</td></tr>{% endfor %}</tbody></table></section>
{% endfor %}{% if calls %}<section><h2>Calls ({{ calls | length }})</h2><div class="scroll"><table><thead><tr>
{% for name in head.values() %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead><tbody>
{% for call in calls %}<tr class="{{ 'fine' if call.used == 'yes' else 'look' }}">
{% for key in head %}<td>{{ call[key] }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div></section>{% endif %}
<footer><p>Nothing was computed, and nothing was listened to. A research tool: never the sole basis of a
clinical
decision.</p></footer></main></body></html>
"""
STYLE = """body{font:16px/1.5 system-ui,sans-serif;color:#1a1a1a;margin:0}
main{max-width:70rem;margin:auto;padding:1rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{text-align:left;vertical-align:top;
padding:.3rem .6rem;border-bottom:1px solid #c8c8c8}tr.mend th{border-left:.4rem solid #b34700}
tr.look th{border-left:.4rem solid #8a6d00}tr.fine th{border-left:.4rem solid #2f6f4f}.scroll{overflow-x:auto}
footer{color:#555;font-size:.9rem}"""


def check_page(name: str, findings: pd.DataFrame, calls: pd.DataFrame) -> str:
    """Return the page.

    Parameters
    ----------
    name : str
        Of the study file.
    findings : DataFrame
        kind ('mend', 'look', 'fine'), about, found, remedy.
    calls : DataFrame
        One row a call; its columns are those of `voicerisk.study.check.Check`. May be empty.

    Returns
    -------
    str
        HTML that needs no other file; everything from the tables is escaped.
    """
    from jinja2 import Environment, StrictUndefined

    n = int((findings["kind"] == "mend").sum())
    verdict = f"{n} thing(s) must be mended before the study can run." if n else "The study can run."
    groups = [(kind, findings[findings["kind"] == kind].to_dict("records")) for kind in TITLES]
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(PAGE)
    return template.render(
        name=name,
        style=STYLE,
        verdict=verdict,
        titles=TITLES,
        findings=[(kind, rows) for kind, rows in groups if rows],
        head=HEAD,
        calls=calls.to_dict("records"),
    )
