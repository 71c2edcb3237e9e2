"""The article's workflow, as printed there: its expressions are not quoted, which is not YAML."""

from typing import Any

from jubako.boxes.workflows.language import EffectKind, compile_workflow

ARTICLE = """\
# workflow.yaml — OCRと音声認識を並列実行し、結果を照合する(テロップ誤字検出の骨子)
main:
  params: [input]
  steps:
    - extract_subtitles:
        call: http.post
        args:
          url: ${"https://api-xxxxx.a.run.app/extract"}
          auth: { type: OIDC }   # 認証付きCloud Runサービスを安全に呼ぶ
          body: { video: ${input.video} }
        result: frames
    # ★ OCRと音声認識は相互依存しない → 並列実行で時間短縮
    - analyze_in_parallel:
        parallel:
          shared: [ocr_result, asr_result]
          branches:
            - ocr_branch:
                steps:
                  - run_ocr:
                      call: http.post
                      args:
                        url: ${"https://ocr-xxxxx.a.run.app/run"}
                        auth: { type: OIDC }
                        body: { frames: ${frames.body} }
                      result: ocr_result
            - asr_branch:
                steps:
                  - run_asr:
                      call: http.post
                      args:
                        url: ${"https://asr-xxxxx.a.run.app/run"}
                        auth: { type: OIDC }
                        body: { video: ${input.video} }
                      result: asr_result
    - reconcile:
        call: http.post
        args:
          url: ${"https://api-xxxxx.a.run.app/reconcile"}
          auth: { type: OIDC }
          body: { ocr: ${ocr_result.body}, asr: ${asr_result.body} }
        result: report
    - done:
        return: ${report.body}
"""

FLAKY = """\
- call_flaky_service:
    try:
      call: http.post
      args: { url: "https://flaky", body: { a: 1 } }
      result: r
    retry:
      predicate: ${http.default_retry_predicate}
      max_retries: 5
      backoff: { initial_delay: 1, max_delay: 60, multiplier: 2 }
    except:
      as: e
      steps:
        - handle:
            call: sys.log
            args: { text: ${"failed: " + e.message}, severity: ERROR }
"""


def test_it_deploys_with_a_warning_for_each_line() -> None:
    warned = [
        warning.line for warning in compile_workflow(ARTICLE).warnings if "stands unquoted" in warning.message
    ]
    assert warned == [10, 24, 33, 40, 40]


def test_it_runs_both_branches_at_once_and_returns_the_report(run: Any) -> None:
    def answer(effect: Any) -> Any:
        return {"code": 200, "headers": {}, "body": {"from": effect.step, "got": effect.args["body"]}}

    ran = run(ARTICLE, {"video": "clip.mp4"}, answer)
    assert ran.names == [
        "main/extract_subtitles#0",
        "main/analyze_in_parallel/ocr_branch/run_ocr#0",
        "main/analyze_in_parallel/asr_branch/run_asr#0",
        "main/reconcile#0",
    ]
    assert ran.effects[0].args["auth"] == {"type": "OIDC"}
    extracted = {"from": "extract_subtitles", "got": {"video": "clip.mp4"}}
    assert ran.result == {
        "from": "reconcile",
        "got": {
            "ocr": {"from": "run_ocr", "got": {"frames": extracted}},
            "asr": {"from": "run_asr", "got": {"video": "clip.mp4"}},
        },
    }


def test_the_flaky_call_is_retried_and_then_logged(run: Any, failing: Any) -> None:
    error = {"code": 503, "message": "busy", "tags": ["HttpError"]}
    ran = run(FLAKY, None, lambda effect: failing(error) if effect.kind is EffectKind.HTTP else None)
    assert [effect.args["seconds"] for effect in ran.effects if effect.kind is EffectKind.SLEEP] == [
        1,
        2,
        4,
        8,
        16,
    ]
    assert ran.effects[-1].args == {"text": "failed: busy", "severity": "ERROR"}
    assert ran.result is None
