"""What a virtual camera shows: the strip, its letter, the time, and something that moves."""

import time

import numpy as np

import frame_code

WIDTH, HEIGHT = frame_code.WIDTH, frame_code.HEIGHT
# 5 x 7 dots, one octet a row, the leftmost dot is bit 4.
GLYPHS = {
    "A": (14, 17, 17, 31, 17, 17, 17), "B": (30, 17, 17, 30, 17, 17, 30),
    "C": (14, 17, 16, 16, 16, 17, 14), "D": (30, 17, 17, 17, 17, 17, 30),
    "E": (31, 16, 16, 30, 16, 16, 31), "F": (31, 16, 16, 30, 16, 16, 16),
    "G": (14, 17, 16, 23, 17, 17, 15), "H": (17, 17, 17, 31, 17, 17, 17),
    "I": (14, 4, 4, 4, 4, 4, 14), "J": (7, 2, 2, 2, 2, 18, 12),
    "K": (17, 18, 20, 24, 20, 18, 17), "L": (16, 16, 16, 16, 16, 16, 31),
    "M": (17, 27, 21, 21, 17, 17, 17), "N": (17, 25, 21, 19, 17, 17, 17),
    "O": (14, 17, 17, 17, 17, 17, 14), "P": (30, 17, 17, 30, 16, 16, 16),
    "Q": (14, 17, 17, 17, 21, 18, 13), "R": (30, 17, 17, 30, 20, 18, 17),
    "S": (15, 16, 16, 14, 1, 1, 30), "T": (31, 4, 4, 4, 4, 4, 4),
    "U": (17, 17, 17, 17, 17, 17, 14), "V": (17, 17, 17, 17, 17, 10, 4),
    "W": (17, 17, 17, 21, 21, 27, 17), "X": (17, 17, 10, 4, 10, 17, 17),
    "Y": (17, 17, 10, 4, 4, 4, 4), "Z": (31, 1, 2, 4, 8, 16, 31),
    "0": (14, 17, 19, 21, 25, 17, 14), "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 2, 4, 8, 31), "3": (31, 2, 4, 2, 1, 17, 14),
    "4": (2, 6, 10, 18, 31, 2, 2), "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14), "7": (31, 1, 2, 4, 8, 8, 8),
    "8": (14, 17, 17, 14, 17, 17, 14), "9": (14, 17, 17, 15, 1, 2, 12),
    ":": (0, 4, 4, 0, 4, 4, 0),
}
LETTER_DOT, TIME_DOT = 28, 8
BOX = 40


def glyph(character, dot):
    rows = np.array(GLYPHS[character], dtype=np.uint8)
    dots = rows[:, None] >> np.arange(4, -1, -1) & 1
    return dots.astype(bool).repeat(dot, axis=0).repeat(dot, axis=1)


class Picture:
    """Draws I420 frames of one camera."""

    def __init__(self, letter):
        self.letter = letter
        self.background = np.full((HEIGHT, WIDTH), 70, dtype=np.uint8)
        self._stamp(self.background, glyph(letter, LETTER_DOT), 130, 30)
        # One hue for each letter, so that people tell cameras apart at a glance.
        angle = (ord(letter) - ord("A")) * 2.4
        chroma = [round(128 + 50 * value) for value in (np.cos(angle), np.sin(angle))]
        self.chroma = b"".join(bytes([value]) * (WIDTH * HEIGHT // 4) for value in chroma)

    @staticmethod
    def _stamp(luma, dots, top, left, level=215):
        luma[top:top + dots.shape[0], left:left + dots.shape[1]][dots] = level

    def draw(self, number):
        """The bytes of the frame with this number."""
        luma = self.background.copy()
        frame_code.draw(luma, self.letter, number)
        clock = time.strftime("%H:%M:%S", time.gmtime(number // frame_code.FRAMES_PER_SECOND))
        for place, character in enumerate(clock):
            self._stamp(luma, glyph(character, TIME_DOT), 150, 230 + place * 6 * TIME_DOT)
        # A box that goes to and fro once in eight seconds.
        way = 400 - BOX
        position = number % 80 * 2 * way // 80
        left = 220 + (position if position < way else 2 * way - position)
        luma[270:270 + BOX, left:left + BOX] = 200
        return luma.tobytes() + self.chroma
