"""What a page keeps from people who can't see, hear or point, as far as a program can tell.

The rules are axe-core's: WCAG 2.2 at levels A and AA, and its best practices. It comes in the
package of Python's that bundles it; nothing of it is on the box.
"""

import importlib.resources

AXE = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """async tags => {
  const { violations } = await axe.run(document, {
    runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] });
  return violations.map(({ id, help, nodes }) => ({ id, help, count: nodes.length,
    where: nodes.slice(0, 3).map(({ target, failureSummary }) =>
      target.join(" ") + ": " + failureSummary.split("\\n").slice(1).join(" ").trim()) }));
}"""


def violations(page):
    """One line for each broken rule on the page as it is now."""
    # As one script: the page's policy forbids what is added as an element.
    page.evaluate(f"(() => {{ {AXE} }})()")
    return [f"{found['id']} ({found['help']}), {found['count']} times: {'; '.join(found['where'])}"
            for found in page.evaluate(RUN, TAGS)]
