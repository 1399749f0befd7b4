// Values under pointer and keys, sortable and filterable tables, copy on click.
// A page is whole without this. Text is only ever set as text.
(() => {
  'use strict';
  const all = (selector, each, root = document) => root.querySelectorAll(selector).forEach(each);
  const make = (name, className, text = '') => {
    const element = document.createElement(name);
    element.className = className;
    element.textContent = text;
    return element;
  };
  // FIRST+STEP*COUNT, or each number.
  const numbers = text => {
    const [first, step, count] = text.split(/[+*]/).map(Number);
    return count ? Array.from({ length: count }, (_, i) => first + i * step) : text.split(' ').map(Number);
  };
  const nearest = (list, value) => list.reduce(
    (best, at, i) => Math.abs(at - value) < Math.abs(list[best] - value) ? i : best, 0);

  // Values are read from the table once, before anyone sorts it.
  const readValues = root => all('.chart', chart => {
    const table = chart.querySelector('table');
    if (!table) return;
    const texts = row => Array.from(row.cells, cell => cell.textContent);
    const heads = texts(table.tHead.rows[0]);
    const rows = Array.from(table.tBodies[0].rows, texts);
    const tip = make('div', 'tip');
    tip.setAttribute('role', 'status');
    tip.hidden = true;
    chart.append(tip);
    all('svg[data-x]', svg => cursor(chart, svg, tip, heads, rows), chart);
  }, root);

  function cursor(chart, svg, tip, heads, rows) {
    const xs = numbers(svg.dataset.x);
    const ys = numbers(svg.dataset.y);
    const [width, height] = numbers(svg.dataset.cursor);
    const grid = xs.length > 1 && ys.length > 1;
    const last = xs.length * ys.length - 1;
    const rule = document.createElementNS(svg.namespaceURI, 'rect');
    rule.setAttribute('class', 'cursor');
    let at = -1;

    // A title would be a tooltip over ours.
    const title = svg.querySelector('title');
    svg.setAttribute('aria-label', title.textContent);
    title.remove();

    const drawn = () => {
      const box = svg.getBoundingClientRect();
      return [box, box.width / svg.viewBox.baseVal.width];
    };
    const hide = () => { at = -1; tip.hidden = true; rule.remove(); };
    const show = index => {
      at = Math.max(0, Math.min(last, index));
      const column = at % xs.length;
      const line = Math.floor(at / xs.length);
      const box = { x: xs[column] - width / 2, y: ys[line] - height / 2, width, height };
      for (const key in box) rule.setAttribute(key, box[key]);
      svg.append(rule);
      fill(rows[grid ? column : at] || [], grid && line + 1);
      const [inner, scale] = drawn();
      const outer = chart.getBoundingClientRect();
      const left = inner.left - outer.left + xs[column] * scale;
      const most = outer.width - tip.offsetWidth;
      const beside = left + 12 > most ? left - 12 - tip.offsetWidth : left + 12;
      const below = ys.length > 1 ? 8 + height * scale / 2 : -tip.offsetHeight / 2;
      tip.style.left = Math.max(0, Math.min(most, beside)) + 'px';
      tip.style.top = inner.top - outer.top + ys[line] * scale + below + 'px';
    };
    const fill = (row, only) => {
      tip.replaceChildren(make('b', '', only ? heads[only] + ' ' + row[0] : row[0]));
      row.forEach((text, i) => {
        if (!i || !text || (only && i !== only)) return;
        const line = make('span', '');
        line.append(make('i', '', only ? '' : heads[i]), make('span', '', text));
        tip.append(line);
      });
      tip.hidden = false;
    };

    const follow = event => {
      const [inner, scale] = drawn();
      show(nearest(ys, (event.clientY - inner.top) / scale) * xs.length
        + nearest(xs, (event.clientX - inner.left) / scale));
    };
    const x = xs.length > 1 ? 1 : 0;
    const y = ys.length > 1 ? xs.length : 0;
    const end = last + 1;
    const steps = { ArrowLeft: -x, ArrowRight: x, ArrowUp: -y, ArrowDown: y, Home: -end, End: end };
    const press = event => {
      const step = steps[event.key];
      if (step) show(at < 0 && step < end ? 0 : at + step);
      else if (event.key === 'Escape') hide();
      else if (event.key === 'Enter') all('details', it => { it.open = !it.open; }, chart);
      else return;
      event.preventDefault();
    };
    const on = { pointermove: follow, pointerdown: follow, pointerleave: hide, blur: hide, keydown: press };
    for (const name in on) svg.addEventListener(name, on[name]);
  }

  // Rows without a value stay last, whichever way a column is sorted.
  const key = cell => {
    const text = (cell.dataset.v || cell.textContent).trim().replace(/[\u202f%]/g, '').replace('−', '-');
    return text === '' || text === '–' ? null : isNaN(text) ? text : Number(text);
  };
  const compare = (a, b) => (a === null) - (b === null)
    || (isNaN(a - b) ? String(a).localeCompare(b) : a - b);
  const makeSortable = root => all('table.sortable', table => {
    const body = table.tBodies[0];
    if (!table.tHead) return;
    all('th', (head, column) => {
      const button = make('button', 'sort');
      button.append(...head.childNodes);
      head.append(button);
      button.onclick = () => {
        const up = head.ariaSort === 'ascending' ? -1 : 1;
        all('th', other => { other.ariaSort = null; }, table.tHead);
        head.ariaSort = up > 0 ? 'ascending' : 'descending';
        const keyed = Array.from(body.rows, row => [key(row.cells[column]), row]);
        keyed.sort(([a], [b]) => compare(a, b) * (a === null || b === null ? 1 : up));
        body.append(...keyed.map(pair => pair[1]));
      };
    }, table.tHead);
    if (body.rows.length < 9) return;
    const input = make('input', 'filter');
    input.type = 'search';
    input.placeholder = input.ariaLabel = 'Filter rows';
    input.oninput = () => {
      const word = input.value.toLowerCase();
      for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(word);
    };
    (table.closest('.scroll') || table).before(input);
  }, root);

  const copyOnClick = root => all('[data-copy]', element => element.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(element.dataset.copy || element.textContent);
      element.dataset.copied = '';
      setTimeout(() => delete element.dataset.copied, 1500);
    } catch {
      // Not allowed to copy: selected, for the reader to copy.
      getSelection().selectAllChildren(element);
    }
  }), root);

  const dress = root => { readValues(root); makeSortable(root); copyOnClick(root); };
  dress(document);
  // A page that replaces a part of itself announces the new one.
  document.addEventListener('dragline:added', event => dress(event.target));
})();
