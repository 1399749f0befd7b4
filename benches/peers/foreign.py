"""What other writers' lines cost beside our own: `just foreign`.

Writes the same events in our wire format and as other loggers write them (four plain files each), reads each
directory with `dragline report` in turns, and prints the CPU time of the best of several runs, and the ratio to our
own format. All reports must count the same.

    python3 benches/peers/foreign.py [--events 300000] [--runs 5] [--work DIRECTORY]
"""

import argparse
import datetime as dt
import json
import os
import random
import resource
import subprocess
import sys
import tempfile

from compare import ROOT

R = random.Random(11); T0 = dt.datetime(2026, 11, 1, tzinfo=dt.timezone.utc)
ERR = [('TimeoutError', 'Timeout 30000ms exceeded while navigating to {u}'), ('ConnectionError', "HTTPSConnectionPool(host='shop.example.com', port=443): Max retries exceeded with url: {u}"), ('KeyError', "'price'"), ('AttributeError', "'NoneType' object has no attribute 'find'"), ('JSONDecodeError', 'Expecting value: line 1 column 1 (char 0)')]
def events(part):
    t = T0 + dt.timedelta(days=part)
    for i in range(EVENTS // 4):
        t += dt.timedelta(milliseconds=R.randrange(20, 700)); r = R.random(); n = R.randrange(2_000_000); u = f'https://shop.example.com/products/{n}?page={n % 50}'
        if r < .72: yield t, i, 'request', dict(url=u, method='GET', status=R.choices([200, 301, 404, 429, 500], [90, 3, 4, 2, 1])[0], ms=round(R.lognormvariate(5.5, .7), 3), bytes=R.randrange(900, 300000))
        elif r < .96: yield t, i, 'item', dict(url=u, id=str(n), price=round(R.uniform(1, 900), 2))
        else: e, m = R.choice(ERR); yield t, i, 'error', dict(url=u, type=e, message=m.format(u=u))
iso = lambda t: t.strftime('%Y-%m-%dT%H:%M:%S.%f') + 'Z'
C = dict(separators=(',', ':'))
def native(t, i, k, f, kw=C):
    d = dict(timestamp=iso(t), level='ERROR' if k == 'error' else 'INFO', target='shop::run', scraper_id='shop', site='shop.example.com', run_id=f'r{t:%d}', writer_id=f'a1b2c3d4e5{t:%d}', seq=i)
    if k == 'request': d.update(event_type='request', message='request', url=f['url'], method='GET', status_code=f['status'], response_time_ms=f['ms'], bytes=f['bytes'], attempt=1)
    elif k == 'item': d.update(event_type='product_processed', message='product', action='added', product_id=f['id'], url=f['url'], price=f['price'])
    else: d.update(event_type='scraper_error', message='error', error_type=f['type'], error_message=f['message'], url=f['url'])
    return json.dumps(d, **kw)
def structlog(t, i, k, f):
    d = dict(scraper='shop', site='shop.example.com', run_id=f'r{t:%d}')
    if k == 'request': d.update(url=f['url'], status=f['status'], elapsed=round(f['ms'] / 1000, 4), bytes=f['bytes'], event='request_done')
    elif k == 'item': d.update(item_id=f['id'], url=f['url'], price=f['price'], event='item stored')
    else: d.update(url=f['url'], error_type=f['type'], error_message=f['message'], event='page failed')
    d.update(level='error' if k == 'error' else 'info', timestamp=iso(t)); return json.dumps(d)
def pino(t, i, k, f):
    d = dict(level=50 if k == 'error' else 30, time=int(t.timestamp() * 1000), pid=4242, hostname='scraper-01', scraper='shop', site='shop.example.com', runId=f'r{t:%d}')
    if k == 'request': d.update(req=dict(method='GET', url=f['url']), res=dict(statusCode=f['status']), responseTime=round(f['ms']), msg='request completed')
    elif k == 'item': d.update(item=dict(id=f['id'], price=f['price']), url=f['url'], msg='item stored')
    else: d.update(url=f['url'], err=dict(type=f['type'], message=f['message'], stack=f"{f['type']}: {f['message']}\n    at scrape (file:///srv/shop.js:69:56)"), msg='page failed')
    return json.dumps(d, **C)
def loguru(t, i, k, f):
    extra = dict(scraper='shop', site='shop.example.com', run_id=f'r{t:%d}'); exc = None
    if k == 'request': extra.update(url=f['url'], status=f['status'], elapsed=round(f['ms'] / 1000, 4)); msg = 'request done'
    elif k == 'item': extra.update(url=f['url'], item_id=f['id']); msg = 'item stored'
    else: extra.update(url=f['url']); msg = 'page failed'; exc = dict(type=f['type'], value=f['message'], traceback=True)
    lv = ('ERROR', 40) if k == 'error' else ('INFO', 20)
    return json.dumps(dict(text=f'{t} | {lv[0]} | shop:run:42 - {msg}\n', record=dict(elapsed=dict(repr='0:00:01', seconds=1.0), exception=exc, extra=extra, file=dict(name='shop.py', path='/srv/shop.py'), function='run', level=dict(icon='x', name=lv[0], no=lv[1]), line=42, message=msg, module='shop', name='__main__', process=dict(id=1, name='MainProcess'), thread=dict(id=2, name='MainThread'), time=dict(repr=str(t), timestamp=t.timestamp()))))
def stdlib(t, i, k, f):
    h = t.strftime('%Y-%m-%d %H:%M:%S,') + f'{t.microsecond // 1000:03d} ' + ('ERROR' if k == 'error' else 'INFO') + ' shop: '
    if k == 'request': return h + f"fetched url={f['url']} status={f['status']} bytes={f['bytes']} elapsed={f['ms'] / 1000:.4f}s"
    if k == 'item': return h + f"item id={f['id']} url={f['url']} price={f['price']}"
    return h + f"page failed url={f['url']}\nTraceback (most recent call last):\n  File \"/srv/shop.py\", line 42, in scrape\n    price = row['price']\n{f['type']}: {f['message']}"
def scrapy(t, i, k, f):
    h = t.strftime('%Y-%m-%d %H:%M:%S ')
    if k == 'request': return h + f"[scrapy.core.engine] DEBUG: Crawled ({f['status']}) <GET {f['url']}> (referer: None)"
    if k == 'item': return h + f"[scrapy.core.scraper] DEBUG: Scraped from <200 {f['url']}>\n{{'id': '{f['id']}', 'price': {f['price']}}}"
    return h + f"[scrapy.core.scraper] ERROR: Spider error processing <GET {f['url']}> (referer: None)\nTraceback (most recent call last):\n  File \"/srv/shop/spiders/shop.py\", line 42, in parse\n    price = row['price']\n{f['type']}: {f['message']}"

WRITERS = {
    "native": native,
    "recipe": lambda *event: native(*event, kw={}),
    "structlog": structlog,
    "pino": pino,
    "loguru": loguru,
    "stdlib": stdlib,
    "scrapy": scrapy,
}


def write(work):
    for name, line in WRITERS.items():
        os.makedirs(os.path.join(work, name), exist_ok=True)
        R.seed(11)
        for part in range(4):
            with open(os.path.join(work, name, f"shop-{part}.log"), "w") as log:
                if name == "scrapy":
                    begin = (T0 + dt.timedelta(days=part)).strftime("%Y-%m-%d %H:%M:%S ")
                    log.write(begin + "[scrapy.utils.log] INFO: Scrapy 2.19.0 started (bot: shop)\n")
                for event in events(part):
                    log.write(line(*event) + "\n")


def measured(binary, path):
    """CPU seconds of one report, and what it counts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [binary, "report", path, "--no-cache", "--format", "json"]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, {name: told["totals"][name] for name in ("requests", "items", "errors")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--work")
    options = parser.parse_args()
    global EVENTS
    EVENTS = options.events
    subprocess.run(["cargo", "build", "--release", "-q", "-p", "dragline-cli"], cwd=ROOT, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    binary = os.path.join(target, "release", "dragline")
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        write(work)
        best, counts = {}, {}
        for _ in range(options.runs):
            for name in WRITERS:
                seconds, counts[name] = measured(binary, os.path.join(work, name))
                best[name] = min(best.get(name, seconds), seconds)
    for name in WRITERS:
        print(f"{name:10} {best[name]:.2f} s  {best[name] / best['native']:.2f} times")
        if counts[name] != counts["native"]:
            sys.exit(f"{name} counts {counts[name]}, not {counts['native']}")


main()
