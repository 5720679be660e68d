"""The page in a real browser: the runtime's text, streamed; and errors that are shown."""

import json
import re
import shutil
from urllib.parse import urlencode

import pytest
from examples.clients.chromium import Chromium

READY = "document.getElementById('write')?.disabled === false"


@pytest.fixture(scope="module")
def browser(chromium, tmp_path_factory):
    with Chromium(chromium, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def _page(chromium, site, tmp_path_factory):
    with Chromium(chromium, tmp_path_factory.mktemp("profile")) as page:
        page.open(f"{site}client/?model=/model/")
        page.wait_for(READY)
        yield page


@pytest.fixture
def page(_page):
    """The page with its model, as it comes."""
    _page.evaluate("form.reset()")
    return _page


def text(browser, name):
    return browser.evaluate(f"document.getElementById('{name}').textContent")


def fill_in(browser, values):
    for name, value in values.items():
        browser.evaluate(f"document.querySelector('[name={name}]').value = {json.dumps(str(value))}")


def test_it_writes_what_the_runtime_writes(page, session, case):
    fill_in(page, {"temperature": 1, "top_p": 1, **case})
    page.evaluate("document.getElementById('write').click()")
    page.wait_for(READY)
    assert text(page, "written") == session.generate(**case)
    assert text(page, "given") == case["prompt"]
    assert text(page, "status").endswith(f"; seed {case['seed']}")


def test_generate_and_score_are_the_runtime_s(page, session, case):
    page.evaluate(f"""(async () => {{
        const ort = await import("./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs");
        const {{ LanguageModel }} = await import("./language_model.mjs");
        const read = async (name) => new Uint8Array(await (await fetch("/model/" + name)).arrayBuffer());
        window.model ??= await LanguageModel.load(ort, read);
        const {{ prompt, seed, ...settings }} = {json.dumps({**case, "seed": str(case["seed"])})};
        window.generated = await model.generate(prompt, {{ ...settings, seed: BigInt(seed) }});
        window.scored = await model.score(prompt);
    }})()""")
    assert page.evaluate("generated.text") == session.generate(**case)
    log_likelihood, num_tokens = session.score(case["prompt"])
    assert page.evaluate("scored.num_tokens") == num_tokens
    assert page.evaluate("scored.log_likelihood") == pytest.approx(log_likelihood, rel=1e-5)


def test_an_address_with_a_prompt_writes_at_once(browser, site, session):
    settings = {"prompt": "the cat", "seed": 7, "max_new_tokens": 50, "temperature": 0.8, "top_p": 0.9}
    browser.open(f"{site}client/?{urlencode({'model': '/model', **settings})}")
    browser.wait_for("document.getElementById('status').textContent.includes('seed')")
    assert text(browser, "written") == session.generate(**settings)


def test_text_appears_as_it_is_written_until_stopped(page):
    fill_in(page, {"max_new_tokens": 10_000_000})
    page.evaluate("document.getElementById('write').click()")
    page.wait_for("document.getElementById('written').textContent.length > 100")
    assert text(page, "status") == "Writing …"
    page.evaluate("document.getElementById('stop').click()")
    page.wait_for(READY)
    assert 100 < len(text(page, "written")) < 10_000_000
    assert " a second; seed " in text(page, "status")


def test_the_page_in_the_exported_readme_writes_too(browser, site, site_folder, javascript, onnx_folder, session):
    (page,) = re.findall(r"```html\n(.*?)\n```", (onnx_folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    folder = site_folder / "readme"
    shutil.copytree(onnx_folder, folder)
    (folder / "index.html").write_text(page, encoding="utf-8")
    (folder / "node_modules").symlink_to(javascript / "node_modules")
    browser.open(f"{site}readme/")
    browser.wait_for("document.getElementById('shown').textContent !== ''")
    assert text(browser, "shown") == session.generate("the ", 200, temperature=0.8, top_p=0.95, seed=7)


def test_a_model_that_is_not_there_is_an_error_that_says_so(browser, site):
    browser.open(f"{site}client/?model=/elsewhere/")
    browser.wait_for("document.getElementById('about').className === 'error'")
    assert text(browser, "about").endswith("elsewhere/manifest.json: 404. Give an exported model's folder: ?model=path/")
    assert not browser.evaluate(READY)


def test_a_bad_setting_is_an_error_that_names_it(page):
    fill_in(page, {"top_p": 0})
    page.evaluate("document.getElementById('write').click()")
    page.wait_for("document.getElementById('status').className === 'error'")
    assert text(page, "status") == "top_p: expected a number in (0, 1], at least 1e-10 (1 keeps all); received 0"
    assert page.evaluate(READY)


def test_every_field_has_a_label(page):
    assert page.evaluate("[...document.querySelectorAll('input, textarea')].every((field) => field.labels.length === 1)")


def test_it_fits_a_telephone(browser, site):
    browser.open(f"{site}client/?model=/model/")
    browser("Emulation.setDeviceMetricsOverride", width=360, height=640, deviceScaleFactor=1, mobile=True)
    browser.wait_for(READY)
    assert browser.evaluate("document.documentElement.scrollWidth") == 360
