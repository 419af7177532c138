#!/usr/bin/python3
"""The machine-readable strip in a virtual camera's picture.

The upper 4/15 of the picture is a grid of 16 x 4 black or white blocks (40 x 24 pixels each
at 640 x 360), read row by row, most significant bit first:

    12 bits  start pattern (101100100111)
    36 bits  frame number = floor(Unix time in seconds * 10)
     5 bits  letter, A = 1 ... Z = 26
    11 bits  CRC-16/CCITT-FALSE of the 41 bits above as 6 bytes, its lower 11 bits

A reader needs no more than the picture, at any scale from about 160 pixels of width: the
start pattern gives the grey levels, the checksum says whether the rest is right.

usage:
  frame_code.py png FILE...     the letter and number in PNG pictures (8 bits, RGB, RGBA or grey)
  frame_code.py video FILE      the same for every frame of a video, by ffmpeg
  frame_code.py watch SECONDS COMMAND...
                                how old the raw grey pictures of 640 x 360 are that a command
                                writes, as they come: a list of milliseconds, for SECONDS after
                                the first 10
  frame_code.py self-test       encodes, scales, spoils and reads back

Each picture or frame gives one line of JSON: {"letter": "A", "number": 17950000001}, or null
where no strip can be read. Exit status 1 if the first two find none, or the test fails.
"""

import json
import struct
import subprocess
import sys
import time
import zlib

import numpy as np

COLUMNS, ROWS = 16, 4
WIDTH, HEIGHT = 640, 360
BLOCK_WIDTH, BLOCK_HEIGHT = WIDTH // COLUMNS, 24
STRIP_HEIGHT = ROWS * BLOCK_HEIGHT
START = (1, 0, 1, 1, 0, 0, 1, 0, 0, 1, 1, 1)
NUMBER_BITS, LETTER_BITS, CHECK_BITS = 36, 5, 11
FRAMES_PER_SECOND = 10
# Luma in limited range: full black and white survive any player's conversion.
BLACK, WHITE = 16, 235
# Before a watched command counts.
WARM_UP_S = 10


def frame_number(unix_time_s):
    """The number of the frame shown at this time."""
    return int(unix_time_s * FRAMES_PER_SECOND)


def _bits(value, count):
    return [(value >> (count - 1 - i)) & 1 for i in range(count)]


def _value(bits):
    value = 0
    for bit in bits:
        value = value << 1 | int(bit)
    return value


def _checksum(number, letter_value):
    crc = 0xFFFF
    for byte in (number << LETTER_BITS | letter_value).to_bytes(6, "big"):
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc & (1 << CHECK_BITS) - 1


def strip_bits(letter, number):
    """The strip's blocks as a ROWS x COLUMNS array of 0 and 1."""
    letter_value = ord(letter) - ord("A") + 1
    if not 1 <= letter_value <= 26:
        raise ValueError("the letter is one of A to Z")
    if not 0 <= number < 1 << NUMBER_BITS:
        raise ValueError("the frame number has at most 36 bits")
    bits = list(START) + _bits(number, NUMBER_BITS) + _bits(letter_value, LETTER_BITS)
    bits += _bits(_checksum(number, letter_value), CHECK_BITS)
    return np.array(bits, dtype=np.uint8).reshape(ROWS, COLUMNS)


def draw(luma, letter, number):
    """Draws the strip into the top of a HEIGHT x WIDTH array of luma."""
    cells = np.where(strip_bits(letter, number) == 1, WHITE, BLACK).astype(np.uint8)
    luma[:STRIP_HEIGHT] = cells.repeat(BLOCK_HEIGHT, axis=0).repeat(BLOCK_WIDTH, axis=1)


def decode(image):
    """(letter, frame number) in a picture, or None.

    `image` is an array of height x width, or height x width x (1, 3 or 4) with 8-bit values:
    the camera's whole picture at any scale, or that picture centred between bars.
    """
    grey = np.asarray(image, dtype=np.float32)
    if grey.ndim == 3:
        channels = grey.shape[2]
        grey = grey[:, :, :3].mean(axis=2) if channels >= 3 else grey[:, :, 0]
    if grey.ndim != 2 or min(grey.shape) < 16:
        return None
    height, width = grey.shape
    boxes = [(0.0, 0.0, float(height), float(width))]
    # 'object-fit: contain' in an element of another shape.
    scale = min(width / WIDTH, height / HEIGHT)
    inner_height, inner_width = HEIGHT * scale, WIDTH * scale
    boxes.append(((height - inner_height) / 2, (width - inner_width) / 2, inner_height, inner_width))
    for top, left, box_height, box_width in boxes:
        found = _decode_box(grey, top, left, box_height, box_width)
        if found is not None:
            return found
    return None


def _decode_box(grey, top, left, height, width):
    block_height = height * BLOCK_HEIGHT / HEIGHT
    block_width = width / COLUMNS
    levels = np.empty((ROWS, COLUMNS), dtype=np.float32)
    for row in range(ROWS):
        for column in range(COLUMNS):
            # The inner part only: edges are soft after scaling and compression.
            y = [top + (row + part) * block_height for part in (0.3, 0.7)]
            x = [left + (column + part) * block_width for part in (0.3, 0.7)]
            y0, x0 = int(y[0]), int(x[0])
            block = grey[y0:max(y0 + 1, round(y[1])), x0:max(x0 + 1, round(x[1]))]
            if block.size == 0:
                return None
            levels[row, column] = block.mean()
    levels = levels.ravel()
    start = np.array(START)
    known = levels[:len(start)]
    dark, light = known[start == 0].max(), known[start == 1].min()
    if light - dark < 40:
        return None
    return read_bits((levels > (dark + light) / 2).astype(int))


def read_bits(bits):
    """(letter, frame number) in the strip's blocks, row by row, or None."""
    if len(bits) != ROWS * COLUMNS or tuple(bits[:len(START)]) != START:
        return None
    bits = bits[len(START):]
    number = _value(bits[:NUMBER_BITS])
    letter_value = _value(bits[NUMBER_BITS:NUMBER_BITS + LETTER_BITS])
    check = _value(bits[NUMBER_BITS + LETTER_BITS:])
    if not 1 <= letter_value <= 26 or check != _checksum(number, letter_value):
        return None
    return chr(ord("A") + letter_value - 1), number


def read_png(data):
    """The picture in a PNG file as an array: 8 bits a sample, not interlaced."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("not a PNG file")
    position, header, body = 8, None, []
    while position + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[position:position + 8])
        chunk = data[position + 8:position + 8 + length]
        position += 12 + length
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", chunk)
        elif kind == b"IDAT":
            body.append(chunk)
    if header is None:
        raise ValueError("the PNG file has no header")
    width, height, depth, colour, _, _, interlace = header
    channels = {0: 1, 2: 3, 4: 2, 6: 4}.get(colour)
    if depth != 8 or interlace or channels is None or width * height > 1 << 26:
        raise ValueError("only plain 8-bit PNG files of sensible size are read")
    stride = width * channels
    raw = np.frombuffer(zlib.decompress(b"".join(body)), dtype=np.uint8)
    raw = raw.reshape(height, stride + 1)
    out = np.zeros((height, stride), dtype=np.uint8)
    above = np.zeros(stride, dtype=np.uint8)
    for y in range(height):
        above = out[y] = _unfilter(raw[y, 0], raw[y, 1:], above, channels)
    return out.reshape(height, width, channels)


def _unfilter(kind, line, above, channels):
    # PNG (third edition), 9.2.
    if kind == 0:
        return line
    if kind == 1:
        return line.reshape(-1, channels).cumsum(axis=0, dtype=np.uint8).ravel()
    if kind == 2:
        return line + above
    if kind not in (3, 4):
        raise ValueError("unknown PNG filter")
    done, up = bytearray(line.tobytes()), above.tobytes()
    for i in range(len(done)):
        a = done[i - channels] if i >= channels else 0
        b = up[i]
        if kind == 3:
            guess = (a + b) // 2
        else:
            c = up[i - channels] if i >= channels else 0
            pa, pb, pc = abs(b - c), abs(a - c), abs(a + b - 2 * c)
            guess = a if pa <= pb and pa <= pc else b if pb <= pc else c
        done[i] = (done[i] + guess) & 0xFF
    return np.frombuffer(bytes(done), dtype=np.uint8)


def decode_png(data):
    """(letter, frame number) in the bytes of a PNG picture, or None."""
    return decode(read_png(data))


def decode_video(path):
    """What `decode` finds in each frame of a video file."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-vf", f"scale={WIDTH}:{HEIGHT}",
               "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    size = WIDTH * HEIGHT
    with subprocess.Popen(command, stdout=subprocess.PIPE) as ffmpeg:
        while len(frame := ffmpeg.stdout.read(size)) == size:
            yield decode(np.frombuffer(frame, dtype=np.uint8).reshape(HEIGHT, WIDTH))
    if ffmpeg.returncode:
        raise OSError(f"ffmpeg failed on {path}")


def watch(seconds, command):
    """The ages of the frames that a command writes, while they are new."""
    size, ages = WIDTH * HEIGHT, []
    with subprocess.Popen(command, stdout=subprocess.PIPE) as player:
        # Players read ahead before they begin, and then hurry.
        begin = time.time() + WARM_UP_S
        while time.time() < begin + seconds and len(frame := player.stdout.read(size)) == size:
            now = time.time()
            found = decode(np.frombuffer(frame, dtype=np.uint8).reshape(HEIGHT, WIDTH))
            if found and now >= begin:
                ages.append(round((now - found[1] / FRAMES_PER_SECOND) * 1000, 1))
        player.terminate()
    return ages


def _scaled(image, height, width):
    # Bilinear, as browsers do.
    y = np.clip((np.arange(height) + 0.5) * image.shape[0] / height - 0.5, 0, image.shape[0] - 1)
    x = np.clip((np.arange(width) + 0.5) * image.shape[1] / width - 0.5, 0, image.shape[1] - 1)
    y0, x0 = y.astype(int), x.astype(int)
    y1, x1 = np.minimum(y0 + 1, image.shape[0] - 1), np.minimum(x0 + 1, image.shape[1] - 1)
    fy, fx = (y - y0)[:, None], (x - x0)[None, :]
    rows = image[y0] * (1 - fy) + image[y1] * fy
    return rows[:, x0] * (1 - fx) + rows[:, x1] * fx


def _png(image):
    lines = []
    for y, line in enumerate(image):
        flat = line.reshape(-1).astype(np.uint8)
        if y % 3 == 1:  # Filter 1: differences to the left.
            left = np.concatenate([np.zeros(line.shape[-1], np.uint8), flat[:-line.shape[-1]]])
            flat, kind = flat - left, b"\1"
        else:
            kind = b"\0"
        lines.append(kind + flat.tobytes())
    colour = {3: 2, 4: 6}[image.shape[2]]
    header = struct.pack(">IIBBBBB", image.shape[1], image.shape[0], 8, colour, 0, 0, 0)
    out = b"\x89PNG\r\n\x1a\n"
    for kind, chunk in ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(lines))), (b"IEND", b"")):
        out += struct.pack(">I", len(chunk)) + kind + chunk + struct.pack(">I", zlib.crc32(kind + chunk))
    return out


def self_test():
    """Raises AssertionError if anything does not read back as drawn."""
    random = np.random.default_rng(7)
    for letter, number in (("A", frame_number(1_795_000_000.19)), ("B", 0), ("Z", (1 << 36) - 1)):
        luma = random.integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
        draw(luma, letter, number)
        assert decode(luma) == (letter, number)
        for height, width in ((360, 640), (720, 1280), (203, 361), (90, 160), (400, 400), (300, 900)):
            picture = _scaled(luma, height, width)
            assert decode(picture) == (letter, number), (letter, height, width)
            washed = picture * 0.5 + 60 + random.normal(0, 12, picture.shape)
            assert decode(np.clip(washed, 0, 255)) == (letter, number), "washed out and noisy"
        barred = np.zeros((600, 800))
        barred[75:525] = _scaled(luma, 450, 800)
        assert decode(barred) == (letter, number), "between bars"
        for channels in (3, 4):
            colours = np.repeat(_scaled(luma, 180, 320)[:, :, None], channels, axis=2)
            assert decode_png(_png(colours)) == (letter, number), "PNG"
        for cell in range(len(START), ROWS * COLUMNS):
            spoilt = luma.copy()
            row, column = divmod(cell, COLUMNS)
            area = np.s_[row * BLOCK_HEIGHT:(row + 1) * BLOCK_HEIGHT,
                         column * BLOCK_WIDTH:(column + 1) * BLOCK_WIDTH]
            spoilt[area] = BLACK + WHITE - spoilt[area]
            assert decode(spoilt) is None, f"block {cell} is wrong and nobody noticed"
    for nothing in (np.zeros((360, 640)), np.full((360, 640, 3), 255), np.zeros((3, 3)), np.zeros(9),
                    random.integers(0, 256, (360, 640))):
        assert decode(nothing) is None


def main(arguments):
    if arguments == ["self-test"]:
        self_test()
        print("frame code: reads back what it draws")
        return 0
    if len(arguments) >= 2 and arguments[0] in ("png", "video"):
        if arguments[0] == "png":
            pictures = (decode_png(open(path, "rb").read()) for path in arguments[1:])
        else:
            pictures = decode_video(arguments[1])
        seen = False
        for found in pictures:
            print(json.dumps(found and {"letter": found[0], "number": found[1]}))
            seen = seen or found is not None
        return 0 if seen else 1
    if len(arguments) >= 3 and arguments[0] == "watch":
        ages = watch(float(arguments[1]), arguments[2:])
        print(json.dumps(ages))
        return 0 if ages else 1
    print(__doc__.strip())
    return 0 if arguments in (["--help"], ["-h"]) else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
