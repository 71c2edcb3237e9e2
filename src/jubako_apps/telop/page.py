"""The looks and the behaviour of ``report.html``: its style sheet and its one script, both named by hash in its policy.

The script filters, keeps decisions in the browser (``localStorage``) and exports them. It reads the findings from
the page's JSON block and writes text only (``textContent``), never markup. Without it everything can still be read.
"""

import base64
import hashlib
from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--line:#8884;--bad:#c22;--mark:#fd6}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:0 auto;padding:1rem}
h1{font-size:1.4rem;margin:.2rem 0;overflow-wrap:anywhere}
.facts{opacity:.75;margin:0 0 1rem}
.missing{border:2px solid var(--bad);border-radius:.4rem;padding:.5rem 1rem;margin:.8rem 0}
.missing ul{margin:0;padding-left:1.2rem}
article{border:1px solid var(--line);border-left:.35rem solid #999;border-radius:.4rem}
article{padding:.7rem 1rem;margin:.8rem 0}
article.high{border-left-color:var(--bad)}article.medium{border-left-color:#e90}
article[data-decision=dismissed]{border-style:dashed}
article[data-decision=dismissed] .telop{text-decoration:line-through}
article[data-decision=accepted]{background:#2a42}
article header{display:flex;flex-wrap:wrap;gap:.3rem .9rem;align-items:baseline;font-size:.9rem}
article:focus{outline:2px solid;outline-offset:2px}article{scroll-margin-top:4rem}
h2{font-size:inherit;margin:0}kbd{border:1px solid var(--line);border-radius:.2rem;padding:0 .3rem}
article img{max-width:100%;height:auto;display:block;margin:.4rem 0;border-radius:.2rem}
article[data-decision=dismissed] img{opacity:.5}
time{font-variant-numeric:tabular-nums;font-weight:600}
.telop{font-size:1.2rem;margin:.3rem 0;overflow-wrap:anywhere}
mark{background:var(--mark);color:#000;border-radius:.15rem;padding:0 .1rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem .8rem;margin:.3rem 0 0}
del{text-decoration-color:var(--bad)}ins{text-decoration:none;font-weight:600}
dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere}
#tools,.decide{display:none}
.live #tools{display:block}
.live .decide,.save{display:flex;flex-wrap:wrap;gap:.4rem .8rem;margin:.5rem 0}
fieldset{border:0;padding:0;margin:.2rem 0;display:flex;flex-wrap:wrap;gap:0 .9rem}
legend{float:left;width:5rem;opacity:.7;line-height:2.2rem}
@media(max-width:30rem){legend{float:none;width:100%;line-height:1.5}}
summary{min-height:2rem;cursor:pointer}#note{opacity:.7;margin-left:.6rem}
#tools{position:sticky;top:0;background:Canvas;padding:.4rem 0;border-bottom:1px solid var(--line);z-index:1}
button{font:inherit;min-height:2.6rem;padding:.2rem .9rem;border:1px solid var(--line);border-radius:.4rem}
button{background:ButtonFace;color:ButtonText}button[aria-pressed=true]{background:CanvasText;color:Canvas}
label{display:inline-flex;align-items:center;gap:.3rem;min-height:2.2rem}
[hidden]{display:none!important}
table{border-collapse:collapse;width:100%}td{border-top:1px solid var(--line);padding:.25rem .5rem;vertical-align:top}
td:last-child{overflow-wrap:anywhere}
""".strip()

SCRIPT: Final = r"""
"use strict";
(function () {
  var data = JSON.parse(document.getElementById("data").textContent);
  var key = "telop-report:" + data.key;
  var decided = {};
  try { decided = JSON.parse(localStorage.getItem(key) || "{}") || {}; } catch (e) { decided = {}; }
  var boxes = Array.prototype.slice.call(document.querySelectorAll("#tools input"));
  try {
    (JSON.parse(localStorage.getItem(key + ":off") || "[]") || []).forEach(function (name) {
      boxes.forEach(function (box) { if (box.name + "=" + box.value === name) { box.checked = false; } });
    });
  } catch (e) { /* no filter is kept */ }
  var cards = Array.prototype.slice.call(document.querySelectorAll("article"));
  function keep() {
    try { localStorage.setItem(key, JSON.stringify(decided)); } catch (e) { note("Decisions cannot be kept here."); }
  }
  function note(text) { document.getElementById("note").textContent = text; }
  function finding(card) { return data.findings[Number(card.dataset.number)]; }
  function show() {
    var off = {};
    boxes.forEach(function (box) { if (!box.checked) { off[box.name + "=" + box.value] = true; } });
    var shown = 0, open = 0;
    cards.forEach(function (card) {
      var one = finding(card), state = decided[one.id] || "";
      card.dataset.decision = state;
      card.hidden = Boolean(off["severity=" + one.severity] || off["kind=" + one.kind] ||
        off["state=" + (state || "open")]);
      shown += card.hidden ? 0 : 1;
      open += state ? 0 : 1;
      card.querySelectorAll(".decide button").forEach(function (button) {
        button.setAttribute("aria-pressed", String(button.value === state));
      });
    });
    note(shown + " of " + cards.length + " shown, " + open + " to decide");
  }
  function shownFrom(at, step) {
    for (var n = at; n >= 0 && n < cards.length; n += step) { if (!cards[n].hidden) { return cards[n]; } }
    return null;
  }
  function decide(card, value) {
    var one = finding(card), at = cards.indexOf(card);
    if (decided[one.id] === value) { delete decided[one.id]; } else { decided[one.id] = value; }
    keep();
    show();
    // What is filtered away takes the keyboard's place with it: go on with what stands there now.
    var next = card.hidden && (shownFrom(at, 1) || shownFrom(at, -1));
    if (next) { next.focus(); }
  }
  function quoted(value) {
    var text = String(value === null || value === undefined ? "" : value);
    if (/^[=+\-@\t\r]/.test(text)) { text = "'" + text; }
    return '"' + text.replace(/"/g, '""') + '"';
  }
  function two(n) { return (n < 10 ? "0" : "") + n; }
  function clock(seconds) {
    var ms = Math.round(seconds * 1000), s = Math.floor(ms / 1000);
    return two(Math.floor(s / 3600)) + ":" + two(Math.floor(s / 60) % 60) + ":" + two(s % 60) + "," +
      ("00" + ms % 1000).slice(-3);
  }
  function line(one) {
    var change = (one.wrong || "(nothing)") + " -> " + (one.right || "?");
    return (one.kind + ": " + change + " | " + one.telop).replace(/[\r\n]+/g, " ");
  }
  function kept() {
    return data.findings.filter(function (one) { return decided[one.id] !== "dismissed"; });
  }
  var makers = {
    csv: function () {
      var names = ["id", "start_timecode", "end_timecode", "start", "end", "severity", "kind",
        "telop", "wrong", "right", "said", "confidence"];
      var rows = data.findings.map(function (one) {
        return names.map(function (name) { return quoted(one[name]); })
          .concat(quoted(decided[one.id] || "open")).join(",");
      });
      return "\ufeff" + names.concat("decision").join(",") + "\r\n" + rows.join("\r\n") + "\r\n";
    },
    srt: function () {
      return kept().map(function (one, n) {
        return (n + 1) + "\n" + clock(one.start) + " --> " + clock(one.end) + "\n" + line(one) + "\n";
      }).join("\n");
    },
    edl: function () {
      var mode = data.is_drop ? "DROP FRAME" : "NON-DROP FRAME";
      return "TITLE: TELOP CHECK\nFCM: " + mode + "\n\n" + kept().map(function (one, n) {
        var span = one.start_timecode + " " + one.end_timecode;
        return ("00" + (n + 1)).slice(-3) + "  AX       V     C        " + span + " " + span +
          "\n* COMMENT: " + line(one) + "\n";
      }).join("\n");
    }
  };
  document.addEventListener("click", function (event) {
    var button = event.target;
    if (button.tagName !== "BUTTON") { return; }
    if (button.dataset.save) {
      var blob = new Blob([makers[button.dataset.save]()], { type: "text/plain;charset=utf-8" });
      var link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = data.name + ".check." + button.dataset.save;
      link.click();
      setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
      return;
    }
    decide(button.closest("article"), button.value);
  });
  document.addEventListener("keydown", function (event) {
    var key = event.key.toLowerCase(), target = event.target, card = target.closest && target.closest("article");
    if (event.ctrlKey || event.metaKey || event.altKey || target.tagName === "INPUT") { return; }
    if (card && (key === "a" || key === "d")) { decide(card, key === "a" ? "accepted" : "dismissed"); return; }
    if (key !== "j" && key !== "k") { return; }
    var at = cards.indexOf(card), next = key === "j" ? shownFrom(at + 1, 1) : card && shownFrom(at - 1, -1);
    if (next) { next.focus(); }
  });
  document.addEventListener("change", function () {
    var off = boxes.filter(function (box) { return !box.checked; });
    off = off.map(function (box) { return box.name + "=" + box.value; });
    try { localStorage.setItem(key + ":off", JSON.stringify(off)); } catch (e) { /* it is forgotten */ }
    show();
  });
  document.body.classList.add("live");
  show();
})();
""".strip()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY: Final = (
    f"default-src 'none'; img-src data:; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; "
    "base-uri 'none'; form-action 'none'"
)
"""Content-Security-Policy of the page, in itself and in the header of whoever serves it: its own script, no other."""
