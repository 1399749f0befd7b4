// Follows changes, shows times in the reader's zone, zooms by brush, moves by keys.
// A page is whole without this. Markup comes from the server only, by the parser that makes no script run.
(() => {
  'use strict';
  const root = document.documentElement;
  const body = document.body;
  const find = (selector, inside = document) => inside.querySelector(selector);
  const all = (selector, each, inside = document) => inside.querySelectorAll(selector).forEach(each);

  // Times: the reader's zone on the page, UTC on hover.
  const pad = number => String(number).padStart(2, '0');
  const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
  const clock = (at, seconds) => pad(at.getHours()) + ':' + pad(at.getMinutes()) + (seconds ? ':' + pad(at.getSeconds()) : '');
  const local = inside => all('time[datetime]', time => {
    const at = new Date(time.getAttribute('datetime'));
    if (isNaN(at)) return;
    const now = new Date();
    const day = at.getFullYear() + '-' + pad(at.getMonth() + 1) + '-' + pad(at.getDate());
    const long = time.dataset.seconds === '';
    const isToday = !long && at.toDateString() === now.toDateString();
    const isThisYear = !long && at.getFullYear() === now.getFullYear();
    const date = isToday ? '' : isThisYear ? at.getDate() + ' ' + months[at.getMonth()] + ' ' : day + ' ';
    time.textContent = date + clock(at, 'seconds' in time.dataset);
  }, inside);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'local time';
  const zoneText = () => {
    if (zone !== 'UTC') find('#zone').textContent = 'Times are in your zone, ' + zone + '; UTC on hover. Charts are in UTC.';
  };

  // Brush: a drag over a chart with times opens the same page for the chosen period.
  const brush = inside => all('.chart svg[data-x]', svg => {
    const chart = svg.closest('.chart');
    const times = Array.from(chart.querySelectorAll('tbody time'), time => Date.parse(time.textContent.replace(' ', 'T') + 'Z'));
    const [first, step, count] = svg.dataset.x.split(/[+*]/).map(Number);
    const xs = count ? Array.from({ length: count }, (_, i) => first + i * step) : svg.dataset.x.split(' ').map(Number);
    if (xs.length < 2 || times.length < xs.length) return;
    let start = null;
    let box = null;
    const unit = () => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    const at = event => Math.max(xs[0], Math.min(xs[xs.length - 1], (event.clientX - svg.getBoundingClientRect().left) / unit()));
    const time = x => {
      let i = xs.findIndex(other => other >= x);
      if (i <= 0) i = 1;
      const part = (x - xs[i - 1]) / (xs[i] - xs[i - 1] || 1);
      return times[i - 1] + part * (times[i] - times[i - 1]);
    };
    const clear = () => { start = null; if (box) box.remove(); box = null; };
    svg.addEventListener('pointerdown', event => { if (event.button === 0 && event.pointerType !== 'touch') start = at(event); });
    svg.addEventListener('pointermove', event => {
      if (start === null || !(event.buttons & 1)) return;
      const [from, to] = [start, at(event)].sort((a, b) => a - b);
      if (!box) { box = document.createElement('div'); box.className = 'brush'; chart.append(box); }
      const inner = svg.getBoundingClientRect();
      const outer = chart.getBoundingClientRect();
      box.style.left = inner.left - outer.left + from * unit() + 'px';
      box.style.width = (to - from) * unit() + 'px';
      box.style.top = inner.top - outer.top + 'px';
      box.style.height = inner.height + 'px';
    });
    svg.addEventListener('pointerup', event => {
      if (start === null) return;
      const [from, to] = [start, at(event)].sort((a, b) => a - b);
      const wide = (to - from) * unit() > 8;
      clear();
      if (!wide) return;
      const address = new URL(location.href);
      const text = millis => new Date(Math.round(millis / 1000) * 1000).toISOString();
      address.searchParams.set('from', text(time(from)));
      address.searchParams.set('to', text(Math.max(time(to), time(from) + 1000)));
      address.searchParams.delete('cursor');
      location.assign(address);
    });
    svg.addEventListener('pointerleave', clear);
    svg.addEventListener('keydown', event => { if (event.key === 'Escape') clear(); });
  }, inside);

  const dress = inside => { brush(inside); local(inside); };

  // Changes: the page is requested again, and only parts that differ are replaced.
  const parts = new Map();
  const remember = from => all('[data-live]', part => parts.set(part.id, part.outerHTML), from);
  remember(document);
  const isBusy = part => {
    const active = document.activeElement;
    const chosen = getSelection();
    return (part.contains(active) && active.matches('input, select, textarea, svg'))
      || (!chosen.isCollapsed && chosen.containsNode(part, true))
      || Array.from(part.querySelectorAll('form.act input:not([type=hidden])')).some(input => input.value !== input.defaultValue);
  };
  const state = part => ({
    open: Array.from(part.querySelectorAll('details'), one => one.open),
    filter: Array.from(part.querySelectorAll('.filter'), one => one.value),
    sort: Array.from(part.querySelectorAll('th')).findIndex(one => one.ariaSort),
    down: (find('th[aria-sort=descending]', part) !== null),
    scroll: Array.from(part.querySelectorAll('.scroll'), one => [one.scrollLeft, one.scrollTop]),
    things: things(part).map(name),
  });
  // What is new catches the eye: another verdict, another thing that needs attention. Numbers that move do not.
  const things = part => Array.from(part.querySelectorAll('h1, .things > li'));
  const name = thing => thing.matches('h1') ? thing.className : find('a', thing).getAttribute('href');
  const mark = (before, part) => things(part).forEach(thing => {
    if (!before.includes(name(thing))) thing.classList.add('changed');
  });
  const restore = (part, was) => {
    part.querySelectorAll('details').forEach((one, i) => { if (was.open[i]) one.open = true; });
    part.querySelectorAll('.filter').forEach((one, i) => {
      if (was.filter[i]) { one.value = was.filter[i]; one.dispatchEvent(new Event('input')); }
    });
    const button = was.sort >= 0 && find('.sort', part.querySelectorAll('th')[was.sort]);
    if (button) { button.click(); if (was.down) button.click(); }
    part.querySelectorAll('.scroll').forEach((one, i) => { if (was.scroll[i]) one.scrollTo(...was.scroll[i]); });
  };
  let held = false;
  const replace = fresh => {
    const ids = new Set();
    let before = null;
    held = false;
    all('[data-live]', part => {
      ids.add(part.id);
      const old = document.getElementById(part.id);
      const source = part.outerHTML;
      if (!old) {
        const added = document.adoptNode(part);
        if (before) before.after(added); else find('main').append(added);
        parts.set(added.id, source);
        dress(added);
        added.dispatchEvent(new CustomEvent('dragline:added', { bubbles: true }));
        before = added;
        return;
      }
      before = old;
      if (parts.get(part.id) === source) return;
      if (isBusy(old)) { held = true; return; }
      const was = state(old);
      const focus = old.contains(document.activeElement)
        ? Array.from(old.querySelectorAll('a, button')).indexOf(document.activeElement) : -1;
      const added = document.adoptNode(part);
      old.replaceWith(added);
      parts.set(added.id, source);
      dress(added);
      added.dispatchEvent(new CustomEvent('dragline:added', { bubbles: true }));
      restore(added, was);
      const again = added.querySelectorAll('a, button')[focus];
      if (again) again.focus({ preventScroll: true });
      mark(was.things, added);
      before = added;
    }, fresh);
    all('[data-live]', part => { if (!ids.has(part.id) && !isBusy(part)) { parts.delete(part.id); part.remove(); } });
    document.title = fresh.title;
  };

  const live = find('#live');
  let shown = '';
  let timer = 0;
  let asking = false;
  let again = false;
  const gone = find('#gone');
  const say = (text, late) => {
    live.textContent = text;
    live.classList.toggle('late', late);
    if (gone.textContent !== (late ? text : '')) gone.textContent = late ? text : '';
    gone.hidden = !late;
  };
  let since = null;
  const lost = why => {
    since = since || new Date();
    say(why + ' The page is as of ' + clock(since, true) + ' and may be old.', true);
  };
  const ask = async () => {
    if (asking) { again = true; return; }
    asking = true;
    try {
      // The browser asks with the tag of the copy that it has.
      const answer = await fetch(location.href, { cache: 'no-cache', credentials: 'same-origin' });
      if (answer.status === 401) { location.reload(); return; }
      const text = await answer.text();
      if (answer.ok && (text !== shown || held)) {
        shown = text;
        replace(new DOMParser().parseFromString(text, 'text/html'));
      }
      if (answer.ok) {
        since = null;
        say('Live. As of ' + clock(new Date(), true) + '.', false);
      } else lost('The service answers with status ' + answer.status + '.');
    } catch {
      lost('The service does not answer.');
    } finally {
      asking = false;
      if (again || held) { again = false; later(0); }
    }
  };
  // The first change is shown at once; while changes go on, the page is requested every two seconds.
  const PAUSE = 2000;
  let asked = -PAUSE;
  const later = wait => {
    if (timer) return;
    const least = asked + PAUSE - performance.now();
    timer = setTimeout(() => { timer = 0; asked = performance.now(); ask(); }, Math.max(wait, least));
  };

  // One stream per page that is looked at: browsers allow few connections to a host.
  const topics = body.dataset.topics.split(' ').filter(Boolean);
  let stream = null;
  const connect = () => {
    if (stream || !body.dataset.stream || document.hidden) return;
    stream = new EventSource(body.dataset.stream);
    stream.addEventListener('change', event => {
      if (JSON.parse(event.data).changed.some(topic => topics.includes(topic))) later(100 + Math.random() * 200);
    });
    stream.addEventListener('resync', () => later(100 + Math.random() * 900));
    stream.onopen = () => later(0);
    stream.onerror = () => {
      lost('The service does not answer.');
      // A refusal is final for the browser; try again later.
      if (stream && stream.readyState === EventSource.CLOSED) { stream = null; later(1000); setTimeout(connect, 5000); }
    };
  };
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) { if (stream) stream.close(); stream = null; } else connect();
  });

  // Keys: g and a letter goes to a page, / to the first search field, ? to nothing that needs a mouse.
  let last = '';
  const goes = { n: 0, s: 1, i: 2, r: 3, e: 4, a: 5, h: 6, m: 7, p: 8 };
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input, select, textarea')) return;
    if (event.key === '/') {
      const field = find('main input[type=search], main .filter');
      if (field) { field.focus(); event.preventDefault(); }
    } else if (last === 'g' && event.key in goes) {
      const link = document.querySelectorAll('header nav a')[goes[event.key]];
      if (link) link.click();
    }
    last = event.key;
  });

  zoneText();
  // On a phone the tabs are wider than the screen.
  const tab = find('nav [aria-current]');
  const tabs = find('.top nav');
  if (tab && tabs.scrollWidth > tabs.clientWidth) tabs.scrollLeft = tab.offsetLeft - (tabs.clientWidth - tab.offsetWidth) / 2;
  const here = find('.lines .target');
  if (here && !location.hash) here.scrollIntoView({ block: 'center' });
  dress(document);
  connect();
  root.dataset.script = '';
})();
