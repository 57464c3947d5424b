
'use strict';
// Shows the values of the version that is nearest to the pointer, as they stand in the table.
const figure = document.querySelector('figure');
const svg = figure.querySelector('svg');
const tip = document.getElementById('tip');
const names = [...document.querySelectorAll('thead th')].slice(2).map((cell) => cell.textContent);
const rows = [...document.querySelectorAll('tbody tr')].map((row) => ({ row, x: Number(row.dataset.x) }));
const guide = document.createElementNS(svg.namespaceURI, 'line');
guide.id = 'guide';
guide.setAttribute('y1', figure.dataset.top);
guide.setAttribute('y2', figure.dataset.bottom);
let here = null;
const leave = () => {
  tip.hidden = true;
  guide.remove();
  if (here) here.row.classList.remove('here');
  here = null;
};
const line = (kind, text) => {
  const element = document.createElement(kind);
  element.textContent = text;
  tip.append(element);
};
const show = (found) => {
  leave();
  here = found;
  here.row.classList.add('here');
  guide.setAttribute('x1', here.x);
  guide.setAttribute('x2', here.x);
  svg.append(guide);
  const [name, about, ...values] = [...here.row.cells].map((cell) => cell.textContent);
  tip.textContent = '';
  line('b', name);
  if (about) line('small', about);
  values.forEach((value, at) => { if (value) line('div', (names.length > 1 ? names[at] + ' ' : '') + value); });
  tip.hidden = false;
  const box = svg.getBoundingClientRect();
  const x = here.x * box.width / svg.viewBox.baseVal.width;
  const left = x + 12 + tip.offsetWidth > box.width ? x - 12 - tip.offsetWidth : x + 12;
  tip.style.left = Math.max(0, left) + 'px';
  tip.style.top = Number(figure.dataset.top) + 8 + 'px';
};
svg.addEventListener('pointermove', (event) => {
  const box = svg.getBoundingClientRect();
  const x = (event.clientX - box.left) * svg.viewBox.baseVal.width / box.width;
  const nearest = rows.reduce((best, row) => !best || Math.abs(row.x - x) < Math.abs(best.x - x) ? row : best, null);
  if (nearest && nearest !== here) show(nearest);
});
figure.addEventListener('pointerleave', leave);
