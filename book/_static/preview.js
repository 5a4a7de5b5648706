// Rest the pointer on a reference, and see what it points to: an equation, a figure, a theorem, a source.
// Targets on other pages need http; opened from disk, only those of the same page show.
(() => {
  if (!matchMedia("(hover: hover)").matches) return;
  const shown = ".math-wrapper, div.math, figure, .proof, .exercise, .solution, .admonition, div.citation, table";
  const pages = new Map();
  let box = null;
  let timer = 0;

  const page = (url) => {
    const here = location.href.split("#")[0];
    const there = url.href.split("#")[0];
    if (here === there) return Promise.resolve(document);
    if (!location.protocol.startsWith("http") || url.origin !== location.origin) return Promise.resolve(null);
    if (!pages.has(there)) {
      const parse = (text) => new DOMParser().parseFromString(text, "text/html");
      pages.set(there, fetch(there).then((answer) => (answer.ok ? answer.text().then(parse) : null)).catch(() => null));
    }
    return pages.get(there);
  };

  const content = (document_, name) => {
    const target = document_?.getElementById(name);
    if (!target) return null;
    const whole = target.closest(shown) ?? target.querySelector(":scope > figure, :scope > table");
    if (whole) return whole;
    if (target.matches("section")) return target.querySelector(":scope > p");
    return null;
  };

  const hide = () => {
    clearTimeout(timer);
    box?.remove();
    box = null;
  };

  const show = async (link) => {
    const url = new URL(link.href);
    const found = await page(url);
    const source = content(found, decodeURIComponent(url.hash.slice(1)));
    if (!source || !link.matches(":hover, :focus-visible")) return;
    hide();
    box = document.createElement("div");
    box.className = "mmcl-preview";
    box.setAttribute("aria-hidden", "true");
    const copy = document.importNode(source, true);
    copy.querySelectorAll(".headerlink, script, .copybtn").forEach((part) => part.remove());
    if (found === document) [copy, ...copy.querySelectorAll("[id]")].forEach((part) => part.removeAttribute("id"));
    copy.querySelectorAll("a, [tabindex]").forEach((part) => part.setAttribute("tabindex", "-1"));
    box.append(copy);
    document.body.append(box);
    if (found !== document) await window.MathJax?.typesetPromise?.([box]);
    if (!box) return;
    const at = link.getBoundingClientRect();
    const below = at.bottom + box.offsetHeight + 12 < innerHeight;
    box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - box.offsetWidth - 16))}px`;
    box.style.top = `${below ? at.bottom + 8 : Math.max(8, at.top - box.offsetHeight - 8)}px`;
    box.classList.add("shown");
  };

  addEventListener("DOMContentLoaded", () => {
    for (const link of document.querySelectorAll(".bd-article a.reference.internal[href*='#']")) {
      const start = () => { hide(); timer = setTimeout(show, 250, link); };
      link.addEventListener("pointerenter", start);
      link.addEventListener("focus", start);
      link.addEventListener("pointerleave", hide);
      link.addEventListener("blur", hide);
    }
  });
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", hide, { passive: true, capture: true });
})();
