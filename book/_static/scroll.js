// What is wider than the page scrolls inside its own box; let the keyboard reach that box too, and let a figure or a table say so.
(() => {
  const boxes = "pre, div.math, mjx-container, .table-wrapper, .pst-scrollable-table-container, .mmcl-figure, .cell_output";
  const cued = ".mmcl-figure, .pst-scrollable-table-container";
  const hidden = (figure) => figure.scrollWidth - figure.clientWidth - figure.scrollLeft;
  const cue = (figure) => {
    figure.classList.toggle("more", hidden(figure) > 1);
    figure.style.setProperty("--hidden", `${Math.max(0, hidden(figure))}px`);
  };
  const mark = () => {
    for (const box of document.querySelectorAll(boxes)) {
      const scrolls = box.scrollWidth > box.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(box).overflowX);
      if (scrolls) box.tabIndex = 0;
      else if (box.getAttribute("tabindex") === "0") box.removeAttribute("tabindex");
      if (!box.matches(cued)) continue;
      box.classList.toggle("scrolls", scrolls);
      box.onscroll = () => cue(box);
      cue(box);
    }
  };
  const wait = () => {
    mark();
    const typeset = window.MathJax?.startup?.promise;
    if (typeset) typeset.then(mark);
    else if (document.querySelector(".math") && performance.now() < 10000) setTimeout(wait, 200);
  };
  addEventListener("load", wait);
  addEventListener("resize", mark);
})();
