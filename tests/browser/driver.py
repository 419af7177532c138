#!/usr/bin/env python3
"""The owner's hands and eyes: Debian's Chromium, driven by Playwright.

Reads one JSON object a line, {"verb": ..., "arguments": {...}}, and answers each with one
line, {"value": ...} or {"error": ...}. A verb is what an owner does on a page; it fails
with what stands on the page instead of what it looked for. The first line out says that
the browser runs.

--screenshots DIR gets a picture of each page at phone and at desktop width.
--patience FACTOR stretches every wait: an emulated box answers slowly.
"""

import argparse
import json
import pathlib
import sys
import time
import traceback

from playwright.sync_api import Error, sync_playwright

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cameras"))
import frame_code  # noqa: E402

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
# Nothing but the pages under test may cause traffic; QUIC would go around the relay.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


class Unexpected(Exception):
    """The page is not what the owner would expect there."""


class Owner:
    """One browser window."""

    def __init__(self, browser, screenshots, patience):
        self.browser, self.screenshots, self.patience = browser, screenshots, patience
        self.url, self.complaints = None, []
        self.context = browser.new_context(ignore_https_errors=True, viewport=DESKTOP)
        self.context.set_default_timeout(15_000 * patience)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.complain(f"script: {error}"))
        self.page.on("console", self.heard)
        self.page.on("request", self.requested)

    # -- what a careful person would notice ------------------------------------------

    def complain(self, what):
        self.complaints.append(what)

    def heard(self, message):
        # A refused form is an answer with an error status, and that is no complaint.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complain(f"console: {message.text}")

    def requested(self, request):
        local = (self.url or "", "data:", "blob:", "about:")
        if not request.url.startswith(local):
            self.complain(f"foreign request: {request.url}")

    # -- looking ---------------------------------------------------------------------

    def look(self):
        main = self.page.locator("main")
        where = main if main.count() else self.page.locator("body")
        return {"path": self.page.evaluate("location.pathname"), "title": self.page.title(),
                "text": where.first.inner_text()}

    def photograph(self, name):
        for width, size in (("desktop", DESKTOP), ("phone", PHONE)):
            self.page.set_viewport_size(size)
            wide = self.page.evaluate("document.documentElement.scrollWidth")
            if wide > size["width"]:
                self.complain(f"{name} at {width} width needs {wide} pixels")
            self.page.screenshot(path=self.screenshots / f"{name}-{width}.png", full_page=True)
        self.page.set_viewport_size(DESKTOP)

    def open(self, path, name=None):
        answer = self.page.goto(self.url + path)
        if answer is None or not answer.ok:
            raise Unexpected(f"{path} answered {answer and answer.status}: {self.look()}")
        if name:
            self.photograph(name)

    def form(self, action):
        form = self.page.locator(f'form[action="{action}"]')
        if form.count() == 0:
            raise Unexpected(f"there is no form {action} on {self.look()}")
        return form.first

    def send(self, form):
        """Presses the form's button and waits for the page that follows."""
        button = form.locator("button[type=submit]").first
        with self.page.expect_navigation() as navigated:
            button.click()
        answer = navigated.value
        if answer is not None and answer.status >= 400:
            raise Unexpected(f"the page answered {answer.status}: {self.look()}")

    # -- verbs -----------------------------------------------------------------------

    def first_start(self, url, code, password):
        self.url = url
        self.page.goto(url + "/")
        self.page.wait_for_url("**/setup")
        self.photograph("setup")
        form = self.form("/setup")
        form.locator("input[name=code]").fill(code)
        for field in form.locator("input[type=password]").all():
            field.fill(password)
        self.send(form)
        return self.look()

    def sign_in(self, url, password, name="owner"):
        self.url = url
        self.context.clear_cookies()
        self.open("/sign-in", "sign-in")
        form = self.form("/sign-in")
        form.locator("input[name=name]").fill(name)
        form.locator("input[type=password]").fill(password)
        self.send(form)
        if self.look()["path"] == "/sign-in":
            raise Unexpected(f"sign-in was refused: {self.look()}")
        return self.look()

    def read_home(self):
        self.open("/", "home")
        return self.look()

    def read_cameras(self):
        self.open("/cameras", "cameras")
        return self.look()

    def read_license_page(self):
        self.open("/license", "license")
        return self.look()

    def export_request(self):
        self.open("/license", "license")
        with self.page.expect_download() as started:
            self.form("/license/request").locator("button[type=submit]").first.click()
        download = started.value
        return {"file": download.suggested_filename,
                "text": pathlib.Path(download.path()).read_text()}

    def import_license(self, file):
        self.open("/license", "license")
        form = self.form("/license/check")
        form.locator("input[type=file]").set_input_files(file)
        self.send(form)
        before = self.look()
        self.photograph("license-check")
        self.send(self.form("/license/import"))
        self.photograph("license-imported")
        return {"checked": before, "imported": self.look()}

    def assign(self, camera):
        self.open("/cameras", "cameras")
        self.send(self.form(f"/cameras/{camera}/assign"))
        return self.look()

    def release(self, camera):
        self.open(f"/cameras/{camera}/release", "release")
        self.send(self.form(f"/cameras/{camera}/release"))
        return self.look()

    def read_camera(self, camera):
        self.open(f"/cameras/{camera}", "camera")
        return self.look()

    def try_camera(self, address):
        """Types a camera's address and reads what it says; adds nothing."""
        self.open("/cameras/add", "camera-add")
        form = self.form("/cameras/check")
        form.locator("input[name=address]").fill(address)
        self.send(form)
        self.photograph("camera-checked")
        return self.look()

    def check_list(self, text):
        """Pastes a list of cameras and reads the verdicts; adds nothing."""
        self.open("/cameras/import", "camera-import")
        form = self.form("/cameras/check-list")
        form.locator("textarea[name=text]").fill(text)
        self.send(form)
        self.photograph("camera-list-checked")
        return self.look()

    def try_passwords(self, mac, user, password):
        self.open("/cameras/passwords", "camera-passwords")
        form = self.form("/cameras/passwords")
        form.locator("input[name=user]").fill(user)
        form.locator("input[name=password]").fill(password)
        form.locator(f"input[name='mac-{mac}']").check()
        self.send(form)
        return self.look()

    def draw_plan(self, camera):
        """Draws motion only on Monday morning, saves, and reads the day back."""
        self.open(f"/cameras/{camera}")
        self.page.locator('[data-brush="m"]').click()
        cells = self.page.locator("[data-plan] tbody tr").first.locator("td[data-half]")
        cells.nth(0).hover()
        self.page.mouse.down()
        cells.nth(11).hover()
        self.page.mouse.up()
        self.send(self.form(f"/cameras/{camera}/settings"))
        return self.page.locator("input[name=word0]").input_value()

    def play_recording(self, camera, pictures):
        """Plays from the beginning of what was recorded, until so many frames were read."""
        self.open(f"/playback/{camera}")
        line = self.page.locator("[data-timeline]")
        line.locator(".tl-rec").first.wait_for(state="attached")
        line.evaluate("line => line.timeline.set(line.timeline.data.spans[0].start_utc_ms)")
        line.press("ArrowRight")
        said = line.get_attribute("aria-valuetext")
        self.page.locator('[data-do="play"]').click()
        film = self.page.locator("video.film")
        numbers = []
        end = time.monotonic() + 30 * self.patience
        while len(numbers) < pictures:
            found = frame_code.decode_png(film.screenshot())
            if found and (not numbers or found[1] > numbers[-1]):
                numbers.append(found[1])
            if time.monotonic() > end:
                raise Unexpected(f"only {numbers} could be read of the recording; "
                                 f"{self.player(film)}; the page says {self.look()}")
            self.page.wait_for_timeout(200)
        self.photograph("playback")
        return {"numbers": numbers, "slider": said, "player": self.player(film)}

    def export_clip(self, camera):
        """Marks a clip on the time line and saves both of its files."""
        self.open(f"/playback/{camera}")
        line = self.page.locator("[data-timeline]")
        line.locator(".tl-rec").first.wait_for(state="attached")
        line.evaluate("line => line.timeline.set(line.timeline.data.spans[0].start_utc_ms + 4000)")
        self.page.locator('.timeline-foot [data-do="export"]').click()
        self.page.locator('[data-do="make"]').click()
        files = self.page.locator("[data-export-files]")
        files.wait_for()
        self.photograph("playback-export")
        saved = {}
        for name in ("file", "statement"):
            link = files.locator(f"[data-{name}]")
            where = link.get_attribute("href")
            try:
                with self.page.expect_download() as started:
                    link.click()
            except Error as error:
                raise Unexpected(f"no {name} came from {where}: {self.look()}") from error
            path = pathlib.Path(started.value.path())
            saved[name] = {"name": started.value.suggested_filename, "bytes": path.stat().st_size}
        return saved

    def watch_live(self, camera, pictures):
        """Crops the player again and again, until so many new frames could be read."""
        self.open(f"/live/{camera}")
        video = self.page.locator("video").first
        seen, newest = [], 0
        end = time.monotonic() + 30 * self.patience
        while len(seen) < pictures:
            picture = video.screenshot()
            taken = time.time()
            found = frame_code.decode_png(picture)
            if found and found[1] > newest:
                newest = found[1]
                drawn = newest / frame_code.FRAMES_PER_SECOND
                seen.append({"letter": found[0], "number": newest,
                             "age_ms": max(0, round((taken - drawn) * 1000))})
            if time.monotonic() > end:
                (self.screenshots / "live-failed.png").write_bytes(picture)
                raise Unexpected(f"only {len(seen)} live pictures could be read; {self.player(video)}; "
                                 f"the page says {self.look()}")
            self.page.wait_for_timeout(200)
        self.photograph("live")
        return {"pictures": seen, "player": self.player(video)}

    @staticmethod
    def player(video):
        return video.evaluate("video => ({width: video.videoWidth, height: video.videoHeight,"
                              " time: video.currentTime, ready: video.readyState,"
                              " paused: video.paused, error: video.error && video.error.message})")

    def hear_complaints(self):
        return self.complaints

    def close(self):
        self.browser.close()
        return None


VERBS = ("first_start", "sign_in", "read_home", "read_cameras", "read_license_page",
         "export_request", "import_license", "assign", "release", "watch_live",
         "read_camera", "try_camera", "check_list", "try_passwords", "draw_plan",
         "play_recording", "export_clip",
         "hear_complaints", "close")


def answer(owner, line):
    request = json.loads(line)
    verb = request["verb"]
    if verb not in VERBS:
        return {"error": f"there is no verb {verb!r}"}
    try:
        return {"value": getattr(owner, verb)(**(request.get("arguments") or {}))}
    except (Unexpected, Error) as error:
        traceback.print_exc()
        return {"error": str(error)}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--screenshots", type=pathlib.Path, required=True)
    parser.add_argument("--patience", type=float, default=1)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=CHROMIUM_ARGUMENTS)
        owner = Owner(browser, options.screenshots, options.patience)
        print(json.dumps({"value": browser.version}), flush=True)
        for line in sys.stdin:
            print(json.dumps(answer(owner, line)), flush=True)


if __name__ == "__main__":
    main()
