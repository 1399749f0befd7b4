// Checks of roles, names and contrast, as a screen reader and a weak eye would need them. Gives sentences.
(() => {
  const wrong = [];
  const say = (what, element) => wrong.push(what + ': ' + element.outerHTML.slice(0, 160));
  const all = selector => Array.from(document.querySelectorAll(selector));
  const visible = element => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });
  const ids = all('[id]').map(element => element.id);
  ids.forEach((id, i) => { if (ids.indexOf(id) !== i) wrong.push('an id is there twice: ' + id); });
  if (!document.documentElement.lang) wrong.push('the page has no language');
  if (all('h1').length !== 1) wrong.push('the page has ' + all('h1').length + ' first headings');
  if (all('main').length !== 1) wrong.push('the page has ' + all('main').length + ' main parts');
  let level = 1;
  all('h1, h2, h3, h4').forEach(heading => {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) say('a heading skips a level', heading);
    level = own;
    if (!heading.textContent.trim()) say('an empty heading', heading);
  });
  all('a[href], button').forEach(one => {
    if (!one.textContent.trim() && !one.ariaLabel) say('without a name', one);
  });
  all('input:not([type=hidden]), select').forEach(one => {
    if (!one.labels.length && !one.ariaLabel) say('a field without a label', one);
  });
  all('svg').forEach(one => {
    if (one.getAttribute('role') !== 'img') say('a drawing without a role', one);
    else if (!one.getAttribute('aria-label') && !one.getAttribute('aria-labelledby') && !one.querySelector('title')) say('a drawing without a name', one);
  });
  all('table').forEach(table => { if (!table.caption) say('a table without a caption', table); });
  all('thead th').forEach(head => { if (head.scope !== 'col') say('a head without a scope', head); });
  all('[aria-labelledby]').forEach(one => {
    one.getAttribute('aria-labelledby').split(' ').forEach(id => { if (!document.getElementById(id)) say('a label that is not there', one); });
  });
  // What scrolls can be reached by keyboard.
  all('main *').forEach(one => {
    const style = getComputedStyle(one);
    const scrolls = ['auto', 'scroll'].includes(style.overflowX) && one.scrollWidth > one.clientWidth + 1;
    if (scrolls && one.tabIndex < 0 && visible(one)) say('scrolls, but has no focus', one);
  });

  const channels = colour => (colour.match(/[\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].reduce((sum, value, i) => {
    const part = value / 255;
    return sum + [0.2126, 0.7152, 0.0722][i] * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  }, 0);
  const ground = element => {
    for (let one = element; one; one = one.parentElement) {
      const colour = channels(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || seen.has(element) || element.closest('svg, script') || !visible(element)) continue;
    seen.add(element);
    const style = getComputedStyle(element);
    const [a, b] = [luminance(channels(style.color)), luminance(ground(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) say('contrast ' + ratio.toFixed(2), element);
  }
  const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (over > 0) wrong.push('the page is ' + over + ' px wider than the window');
  return wrong;
})()
