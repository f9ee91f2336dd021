
'use strict';
// Shows the numbers of a chart under the pointer, a finger, or the arrow keys. Without this script, the page has the
// same numbers in the titles of the points and in the table of each chart.
(() => {
  const tip = document.getElementById('tip');
  let shown = null;

  const hide = () => {
    if (shown) shown.classList.remove('on');
    shown = null;
    tip.hidden = true;
  };

  const show = (point) => {
    if (point === shown) return;
    hide();
    shown = point;
    point.classList.add('on');
    tip.textContent = point.dataset.tip;
    tip.hidden = false;
    place(point);
  };

  // Called during scrolling too, because focusing a chart outside the view scrolls the page.
  const place = (point) => {
    const at = point.getBoundingClientRect(), box = tip.getBoundingClientRect();
    const middle = at.left + at.width / 2 - box.width / 2;
    const left = Math.max(4, Math.min(middle, document.documentElement.clientWidth - box.width - 4));
    const above = at.top - box.height - 10;
    tip.style.left = left + 'px';
    tip.style.top = (above > 4 ? above : at.bottom + 10) + 'px';
  };

  // The distance of the pointer from a point; 0 within it.
  const distance = (point, x, y) => {
    const box = point.getBoundingClientRect();
    const away = (from, to, at) => Math.max(from - at, 0, at - to);
    return Math.hypot(away(box.left, box.right, x), away(box.top, box.bottom, y));
  };

  const middle = (point) => {
    const box = point.getBoundingClientRect();
    return box.left + box.width / 2;
  };

  for (const plot of document.querySelectorAll('.plot')) {
    const groups = [...plot.querySelectorAll('g')]
      .map((group) => [...group.querySelectorAll('.pt')])
      .filter((points) => points.length);
    const all = groups.flat();
    if (!all.length) continue;
    for (const point of all) {
      const title = point.querySelector('title');
      point.dataset.tip = title.textContent;
      title.remove();
    }
    plot.tabIndex = 0;
    plot.setAttribute('role', 'application');
    plot.setAttribute('aria-roledescription', 'chart');
    const caption = plot.parentElement.querySelector('figcaption').textContent;
    plot.setAttribute('aria-label', caption + ', left and right: next point, up and down: next series');

    const nearest = (event) => {
      let best = null, least = 60;
      for (const point of all) {
        const far = distance(point, event.clientX, event.clientY);
        if (far < least) [best, least] = [point, far];
      }
      if (best) show(best); else hide();
    };
    plot.addEventListener('pointermove', nearest);
    plot.addEventListener('pointerdown', nearest);
    plot.addEventListener('pointerleave', (event) => { if (event.pointerType === 'mouse') hide(); });
    plot.addEventListener('focus', () => { if (!plot.contains(shown)) show(groups[0][0]); });
    plot.addEventListener('blur', hide);
    plot.addEventListener('keydown', (event) => {
      const group = Math.max(0, groups.findIndex((points) => points.includes(shown)));
      const index = Math.max(0, groups[group].indexOf(shown));
      const other = (step) => {
        const points = groups[(group + step + groups.length) % groups.length];
        const from = shown ? middle(shown) : 0;
        return points.reduce((a, b) => Math.abs(middle(b) - from) < Math.abs(middle(a) - from) ? b : a);
      };
      const last = groups[group].length - 1;
      const moves = {
        ArrowRight: () => groups[group][Math.min(index + 1, last)],
        ArrowLeft: () => groups[group][Math.max(index - 1, 0)],
        ArrowDown: () => other(1),
        ArrowUp: () => other(-1),
        Home: () => groups[group][0],
        End: () => groups[group][last],
      };
      if (event.key === 'Escape') { hide(); return; }
      if (!(event.key in moves)) return;
      event.preventDefault();
      show(moves[event.key]());
    });
  }
  document.addEventListener('pointerdown', (event) => { if (!event.target.closest('.plot')) hide(); });
  addEventListener('scroll', () => { if (shown) place(shown); }, { passive: true });

  // Open the texts that are printed.
  let opened = [];
  addEventListener('beforeprint', () => {
    hide();
    opened = [...document.querySelectorAll('details.print:not([open])')];
    for (const details of opened) details.open = true;
  });
  addEventListener('afterprint', () => { for (const details of opened) details.open = false; });
})();
