#!/usr/bin/env python3
"""The owner's hands and eyes: Debian's Chromium, driven by Playwright.

Reads one JSON object a line, {"verb": ..., "arguments": {...}}, and answers each with one
line, {"value": ...} or {"error": ...}. A verb is what an owner does on a page; it fails
with what stands on the page instead of what it looked for. The first line out says that
the browser runs.

--screenshots DIR gets a picture of each page at phone and at desktop width; each such page is
examined by axe-core too.
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
import accessibility  # noqa: E402
import frame_code  # noqa: E402

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
# Nothing but the pages under test may cause traffic; QUIC would go around the relay.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]

# From the first picture until a player has found its pace.
SETTLED_S = 8
# Reads the strip of frame_code.py out of every picture that is shown, with the time it is shown
# at. Blocks are compared with the start pattern's own dark and light ones.
WATCH_VIDEOS = """() => {
  const start = [%s];
  const [columns, rows, step] = [%d, %d, 8];
  window.measured = { seen: [], first: null };
  for (const video of document.querySelectorAll("video")) {
    const frames = [];
    measured.seen.push(frames);
    const canvas = new OffscreenCanvas(columns * step, rows * step);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const look = (now, { expectedDisplayTime }) => {
      video.requestVideoFrameCallback(look);
      context.drawImage(video, 0, 0, video.videoWidth, video.videoHeight * %d / %d,
                        0, 0, columns * step, rows * step);
      const shown = Date.now() + expectedDisplayTime - performance.now();
      measured.first ??= shown;
      const { data } = context.getImageData(0, 0, columns * step, rows * step);
      const levels = [];
      for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) {
        const at = ((row * step + step / 2) * columns * step + column * step + step / 2) * 4;
        levels.push(data[at] + data[at + 1] + data[at + 2]);
      }
      const known = bit => levels.filter((_, place) => place < start.length && start[place] === bit);
      const middle = (Math.max(...known(0)) + Math.min(...known(1))) / 2;
      frames.push({ shown, bits: levels.map(level => level > middle ? "1" : "0").join("") });
    };
    video.requestVideoFrameCallback(look);
  }
}""" % (",".join(map(str, frame_code.START)), frame_code.COLUMNS, frame_code.ROWS,
        frame_code.STRIP_HEIGHT, frame_code.HEIGHT)


# What a person presses before a browser shows a page with the box's own certificate.
CERTIFICATE_TAPS = 2
# Elements between two that somebody wants, at most.
MOST_TABS = 80


class Unexpected(Exception):
    """The page is not what the owner would expect there."""


class Owner:
    """One browser window."""

    def __init__(self, browser, screenshots, patience):
        self.browser, self.screenshots, self.patience = browser, screenshots, patience
        self.url, self.complaints, self.examined = None, [], set()
        # A colour on its way to another is neither, in a picture and to axe-core.
        self.context = browser.new_context(ignore_https_errors=True, viewport=DESKTOP,
                                           reduced_motion="reduce")
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
        for width, size, scheme in (("desktop", DESKTOP, "light"), ("phone", PHONE, "dark")):
            self.page.set_viewport_size(size)
            self.examine(name, width, scheme)
            wide = self.page.evaluate("document.documentElement.scrollWidth")
            if wide > size["width"]:
                self.complain(f"{name} at {width} width needs {wide} pixels")
            self.page.screenshot(path=self.screenshots / f"{name}-{width}.png", full_page=True)
        self.page.set_viewport_size(DESKTOP)

    def examine(self, name, width, scheme):
        """The same page is examined once; its contrasts depend on the scheme."""
        if (name, width) in self.examined:
            return
        self.examined.add((name, width))
        self.page.emulate_media(color_scheme=scheme)
        # Else the bar on top hides a part of what it has scrolled over.
        self.page.evaluate("scrollTo(0, 0)")
        for violation in accessibility.violations(self.page):
            self.complain(f"{name}, {width}, {scheme}: {violation}")
        self.page.emulate_media(color_scheme="light")

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

    # -- a phone, on which every tap and every wait counts -----------------------------

    def take_phone(self, url):
        """From here on the page is a phone's, with a session of its own."""
        self.url = url
        self.context = self.browser.new_context(
            ignore_https_errors=True, viewport=PHONE, has_touch=True, is_mobile=True,
            timezone_id="Asia/Taipei", reduced_motion="reduce")
        self.context.set_default_timeout(15_000 * self.patience)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.complain(f"script: {error}"))
        self.page.on("console", self.heard)
        self.page.on("request", self.requested)
        self.taps, self.waited_s = [], 0.0

    def waits(self, what, act):
        """Does something and counts the time until the box has answered."""
        began = time.monotonic()
        found = act()
        took = time.monotonic() - began
        self.waited_s += took
        print(f"{took:.2f} s for {what}", file=sys.stderr)
        return found

    def tap(self, locator, what):
        self.taps.append(what)
        locator.tap()

    def tap_and_type(self, locator, text, what):
        self.tap(locator, what)
        locator.press_sequentially(text)

    def tap_to_page(self, locator, what):
        """Taps what leads to another page."""
        def go():
            with self.page.expect_navigation() as navigated:
                self.tap(locator, what)
            return navigated.value
        answer = self.waits(what, go)
        if answer is not None and answer.status >= 400:
            raise Unexpected(f"{what}: the page answered {answer.status}: {self.look()}")

    def snap(self, name):
        """The phone's page as it is, in light and in dark."""
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        if wide > PHONE["width"]:
            self.complain(f"{name} needs {wide} pixels on a phone")
        # As long as the page, so that what sticks to the window's edge doesn't cover it.
        long = self.page.evaluate("document.documentElement.scrollHeight")
        self.page.set_viewport_size({**PHONE, "height": max(PHONE["height"], min(long, 3000))})
        for scheme in ("dark", "light"):
            self.page.emulate_media(color_scheme=scheme)
            ending = "-dark" if scheme == "dark" else ""
            self.page.screenshot(path=self.screenshots / f"{name}-phone{ending}.png")
        self.page.set_viewport_size(PHONE)

    def button(self, action, label=None):
        buttons = self.page.locator(f'form[action="{action}"] button[type=submit]')
        return (buttons.filter(has_text=label) if label else buttons).first

    def counted(self):
        return {"taps": list(self.taps), "waited_s": round(self.waited_s, 2)}

    def on_path(self, path):
        if self.look()["path"] != path:
            raise Unexpected(f"not at {path}: {self.look()}")

    # -- a keyboard, and nothing else --------------------------------------------------

    def tab_to(self, selector):
        """Tabs until this has the focus, and sees that a person would see it."""
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                break
        else:
            raise Unexpected(f"no {MOST_TABS} tabs lead to {selector}: {self.look()}")
        shown = self.page.evaluate("(({ outlineStyle, outlineWidth }) =>"
                                   " outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2)"
                                   "(getComputedStyle(document.activeElement))")
        if not shown:
            raise Unexpected(f"nobody sees that {selector} has the focus")

    def enter(self, selector):
        """Tabs there and presses Enter, which leads to another page."""
        self.tab_to(selector)
        with self.page.expect_navigation() as navigated:
            self.page.keyboard.press("Enter")
        answer = navigated.value
        if answer is not None and answer.status >= 400:
            raise Unexpected(f"{selector}: the page answered {answer.status}: {self.look()}")

    def type_into(self, selector, text):
        self.tab_to(selector)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    # -- verbs -----------------------------------------------------------------------

    def unbox(self, url, code, password, cameras):
        """The first start on a phone up to the license: password, time zone, cameras. The
        person has opened the address from the label and got past the browser's warning."""
        self.take_phone(url)
        self.taps += ["certificate"] * CERTIFICATE_TAPS
        self.waits("the first page", lambda: self.page.goto(url + "/"))
        self.page.wait_for_url("**/setup")
        self.snap("start-password")
        form = self.form("/setup")
        self.tap_and_type(form.locator("input[name=code]"), code, "code")
        self.tap_and_type(form.locator("input[name=password]"), password, "password")
        self.tap_and_type(form.locator("input[name=again]"), password, "password again")
        self.tap_to_page(self.button("/setup"), "set the password")
        self.on_path("/start/time")
        zone = self.page.locator("select[name=zone]").input_value()
        self.snap("start-time")
        self.tap_to_page(self.button("/start/time"), "go on")
        self.on_path("/start/cameras")
        rows = self.page.locator('[data-part="cameras"] tbody tr')
        self.waits("the cameras", lambda: self.comes("the cameras list", lambda: rows.count() >= cameras))
        self.snap("start-cameras")
        self.tap_to_page(self.button("/start/cameras", "Record"), "record all")
        self.on_path("/start/license")
        self.snap("start-license")
        with self.page.expect_download() as started:
            self.tap(self.button("/license/request"), "create request")
        text = pathlib.Path(self.waits("the request", lambda: started.value.path())).read_text()
        return {**self.counted(), "zone": zone, "request": text}

    def resume(self, url, password):
        """Another device: signs in, and says where that leads. The phone stays as it is."""
        usual, context = self.page, self.browser.new_context(
            ignore_https_errors=True, viewport=DESKTOP, reduced_motion="reduce")
        self.page = context.new_page()
        try:
            self.page.goto(url + "/sign-in")
            form = self.form("/sign-in")
            form.locator("input[type=password]").fill(password)
            self.send(form)
            self.photograph("start-license-resumed")
            return self.look()
        finally:
            context.close()
            self.page = usual
            # A page behind another window would refresh nothing.
            self.page.bring_to_front()

    def finish_unboxing(self, file, cameras):
        """The license came back: imports it on the phone, and waits until all is recorded."""
        field = self.page.locator("#file")
        with self.page.expect_file_chooser() as opened:
            self.tap(field, "choose a file")
        self.taps.append("the file")
        opened.value.set_files(file)
        self.tap_to_page(self.button("/start/license/check"), "check the file")
        self.snap("start-license-check")
        self.tap_to_page(self.button("/license/import"), "use the license")
        self.on_path("/start/done")
        outcome = self.page.locator('[data-part="outcome"]')
        done = f"Recording {cameras} of {cameras}"
        self.waits("recording", lambda: self.comes(done, lambda: done in outcome.inner_text()))
        self.snap("start-done")
        counted = self.counted()
        self.tap_to_page(self.button("/start/done"), "to the home page")
        self.on_path("/")
        self.snap("home-recording")
        signed_in = self.context.storage_state()
        context = self.browser.new_context(ignore_https_errors=True, viewport=DESKTOP,
                                           storage_state=signed_in, reduced_motion="reduce")
        desk = context.new_page()
        desk.goto(self.url + "/")
        for scheme in ("light", "dark"):
            desk.emulate_media(color_scheme=scheme)
            ending = "-dark" if scheme == "dark" else ""
            desk.screenshot(path=self.screenshots / f"home-recording-desktop{ending}.png",
                            full_page=True)
        context.close()
        return counted

    def by_keyboard(self, url, password, file):
        """Signs in, walks through the set-up again, acknowledges what waits, and imports a
        license, without a mouse."""
        self.url = url
        self.context = self.browser.new_context(ignore_https_errors=True, viewport=DESKTOP,
                                                reduced_motion="reduce")
        self.context.set_default_timeout(15_000 * self.patience)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.complain(f"script: {error}"))
        self.page.on("console", self.heard)
        self.page.on("request", self.requested)
        self.page.goto(url + "/")
        self.page.keyboard.press("Tab")
        if not self.page.evaluate("document.activeElement.matches('a.skip')"):
            raise Unexpected("the first tab is not the way past the navigation")
        self.type_into("input[name=name]", "owner")
        self.type_into("input[name=password]", password)
        self.enter("form[action='/sign-in'] button")
        self.on_path("/")
        self.tab_to("main .help summary")
        self.page.keyboard.press("Enter")
        if not self.page.locator("main .help p").is_visible():
            raise Unexpected("Enter does not open the help")

        self.open("/start/time")
        self.tab_to("select[name=zone]")
        self.page.keyboard.type("Europe/Berl")
        self.enter("form[action='/start/time'] button")
        self.open("/start/cameras")
        self.enter("form[action='/start/cameras'] button.secondary")
        self.open("/start/license")
        self.enter("form[action='/start/license'] button")
        self.on_path("/start/done")
        self.enter("form[action='/start/done'] button")
        self.on_path("/")

        self.enter("nav a[href='/license']")
        self.photograph("license-licensed")
        self.page.emulate_media(color_scheme="dark")
        self.photograph("license-licensed-dark")
        self.page.emulate_media(color_scheme="light")
        self.tab_to("#file")
        with self.page.expect_file_chooser() as opened:
            self.page.keyboard.press("Enter")
        opened.value.set_files(file)
        self.enter("form[action='/license/check'] button")
        checked = self.look()
        self.enter("form[action='/license/import'] button")
        self.on_path("/license")
        imported = self.look()
        self.open("/settings", "settings")
        settings = self.look()
        return {"checked": checked["text"], "imported": imported["text"], "settings": settings["text"]}

    def save_diagnostics(self):
        self.open("/support", "support")
        with self.page.expect_download() as started:
            self.page.locator('a[href="/support/diagnostics"]').click()
        return pathlib.Path(started.value.path()).read_text()

    def acknowledge(self, code):
        """Waits for an alarm on the home page, and acknowledges it."""
        self.open("/")
        alarm = self.page.locator(f'[data-alarm][data-code="{code}"]')
        self.comes(f"the alarm {code}", lambda: alarm.count() > 0)
        self.photograph("home-alarm")
        self.page.emulate_media(color_scheme="dark")
        self.photograph("home-alarm-dark")
        self.page.emulate_media(color_scheme="light")
        self.send(alarm.locator("form").first)
        if alarm.count() > 0:
            raise Unexpected(f"the alarm is still there: {self.look()}")
        self.open("/alarms", "alarms")
        return self.look()

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

    def walk_live(self, camera):
        """The page of all cameras and the page of one, as somebody uses them."""
        sockets = []
        self.page.on("websocket", lambda socket: sockets.append(socket))
        playing = ("selector => { const video = document.querySelector(selector);"
                   " return video.readyState >= 3 && !video.paused && video.videoWidth; }")

        def plays(selector):
            return self.comes(f"{selector} plays", lambda: self.page.evaluate(playing, selector))

        def is_open():
            return [socket.url for socket in sockets if not socket.is_closed()]

        self.open("/live")
        tile = f'[data-tile="{camera}"]'
        facts = {"tile_width": plays(tile + " video"), "sockets": is_open()}
        self.photograph("live-wall")
        self.page.emulate_media(color_scheme="dark")
        self.photograph("live-wall-dark")
        self.page.emulate_media(color_scheme="light")

        # A layout changes the page in place.
        self.page.locator('input[name=layout][value="4"]').check(force=True)
        if is_open() != facts["sockets"]:
            raise Unexpected(f"another layout connects anew: {is_open()}")
        # What is not chosen does not stream, and is in the address.
        self.page.locator("summary", has_text="Choose cameras").click()
        self.page.locator(f'input[name=camera][value="{camera}"]').uncheck()
        self.comes("a tile that is not chosen stops", lambda: not is_open())
        facts["address"] = self.page.evaluate("location.search")
        self.page.locator(f'input[name=camera][value="{camera}"]').check()
        plays(tile + " video")
        # So does a tab that nobody sees.
        self.hide(True)
        self.comes("a hidden tab stops", lambda: not is_open())
        self.hide(False)
        plays(tile + " video")

        # By keyboard to the camera alone.
        self.page.locator(tile + " a").focus()
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(f"**/live/{camera}")
        facts["main_width"] = plays("video")
        with self.page.expect_response(f"**/api/v1/snapshot/{camera}") as answered:
            self.page.locator("[data-snapshot]").click()
        if not answered.value.ok:
            told = self.page.locator("[data-told]")
            self.comes("a refusal is told", lambda: told.is_visible() and told.inner_text())
            facts["snapshot"] = told.inner_text()
        facts["kept_s"] = self.keeps_little()

        # A browser that can't play the camera's main stream, as with H.265.
        usual, self.page = self.page, self.context.new_page()
        try:
            self.page.add_init_script("const real = MediaSource.isTypeSupported; let calls = 0;"
                                      "MediaSource.isTypeSupported ="
                                      " type => calls++ > 0 && real.call(MediaSource, type);")
            self.open(f"/live/{camera}")
            facts["fallback_width"] = plays("video")
            facts["fallback_note"] = self.page.locator(".screen-note").inner_text()
            self.photograph("live-fallback")
        finally:
            self.page.close()
            self.page = usual
        return facts

    def watch_smaller(self, camera):
        """The live page of a camera whose main stream this browser can't play."""
        self.open(f"/live/{camera}")
        width = self.comes("the smaller stream plays", lambda: self.page.evaluate(
            "() => { const video = document.querySelector('video');"
            " return video.readyState >= 3 && !video.paused && video.videoWidth; }"))
        note = self.page.locator(".screen-note").inner_text()
        self.photograph("live-h265")
        return {"width": width, "note": note}

    def read_events(self, camera):
        """What the time line and the list of events show of motion."""
        self.open(f"/playback/{camera}")
        self.page.locator("[data-timeline] .tl-motion").first.wait_for(state="attached")
        bands = self.page.locator("[data-timeline] .tl-motion").count()
        event = self.page.locator("[data-events] .event").last
        event.scroll_into_view_if_needed()
        width = self.comes("the event's picture", lambda: event.locator("video").evaluate(
            "video => video.readyState >= 2 && video.videoWidth"))
        self.photograph("playback-events")
        self.page.emulate_media(color_scheme="dark")
        self.photograph("playback-events-dark")
        self.page.emulate_media(color_scheme="light")
        return {"bands": bands, "words": event.inner_text(), "width": width}

    def comes(self, what, ask):
        """What is asked for, once there is such. The pages' policy forbids Playwright's own way."""
        end = time.monotonic() + 15 * self.patience
        while not (found := ask()):
            if time.monotonic() > end:
                raise Unexpected(f"{what}: not in time; {self.look()}")
            self.page.wait_for_timeout(50)
        return found

    def hide(self, hidden):
        self.page.evaluate("hidden => { Object.defineProperty(document, 'hidden',"
                           " { configurable: true, get: () => hidden });"
                           " document.dispatchEvent(new Event('visibilitychange')); }", hidden)

    def keeps_little(self):
        """How much video the player holds after a while, seconds."""
        self.page.wait_for_timeout(12_000)
        kept = self.page.evaluate("(({ buffered }) => buffered.end(0) - buffered.start(0))"
                                  "(document.querySelector('video'))")
        if kept > 11:
            raise Unexpected(f"the player keeps {kept} s of video")
        return round(kept, 1)

    def measure_live(self, path, tiles, seconds):
        """How old each picture of a live page is when it is shown, of so many tiles."""
        began = time.time()
        self.open(path)
        self.page.evaluate(WATCH_VIDEOS)
        seen = "measured.seen.filter(frames => frames.length > 0).length"
        self.comes(f"{tiles} pictures", lambda: self.page.evaluate(seen) >= tiles)
        first = self.page.evaluate("measured.first")
        self.page.wait_for_timeout(SETTLED_S * 1000)
        self.page.evaluate("measured.seen.forEach(frames => { frames.length = 0; })")
        self.page.wait_for_timeout(seconds * 1000)
        seen = self.page.evaluate("measured.seen")
        self.photograph("live-" + path.strip("/").replace("/", "-"))
        ages, letters, unread = [], set(), 0
        for frames in seen:
            for frame in frames:
                found = frame_code.read_bits([int(bit) for bit in frame["bits"]])
                if found is None:
                    unread += 1
                    continue
                letters.add(found[0])
                ages.append(round(frame["shown"] - found[1] * 1000 / frame_code.FRAMES_PER_SECOND, 1))
        players = [self.player(video) for video in self.page.locator("video").all()]
        return {"ages_ms": ages, "letters": sorted(letters), "unread": unread,
                "first_ms": round(first - began * 1000), "players": players}

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


VERBS = ("unbox", "resume", "finish_unboxing", "by_keyboard", "save_diagnostics", "acknowledge",
         "first_start", "sign_in", "read_home", "read_cameras", "read_license_page",
         "export_request", "import_license", "assign", "release", "watch_live",
         "walk_live", "watch_smaller", "measure_live",
         "read_camera", "try_camera", "check_list", "try_passwords", "draw_plan",
         "read_events", "play_recording", "export_clip",
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
