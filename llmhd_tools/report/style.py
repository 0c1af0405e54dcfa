"""How the page of ``report`` looks: light and dark, wide and narrow, on paper."""

STYLE = """
:root{--ink:#1b1f24;--dim:#57606a;--paper:#fff;--card:#f6f8fa;--line:#d0d7de;--mark:#0b62b8;--warn:#9a5b00}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ed;--dim:#9aa4af;--paper:#12161b;--card:#1b2128;--line:#39424d;
--mark:#6cb2ff;--warn:#e8b04a}}
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
header,main{max-width:72rem;margin:0 auto;padding:0 1rem}
h1{font-size:1.6rem;margin:1.2rem 0 .4rem;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2.2rem 0 .6rem;padding-bottom:.25rem;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
a{color:var(--mark)}
:focus-visible{outline:2px solid var(--mark);outline-offset:2px}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;padding:0;margin:0;list-style:none;overflow-wrap:anywhere}
.wide{overflow-x:auto;margin:.6rem 0}
table{border-collapse:collapse;font-size:.9rem}
caption{text-align:left;color:var(--dim);padding:.2rem 0}
th,td{padding:.3rem .7rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
thead th{white-space:nowrap;color:var(--dim);font-weight:600}
tbody th{font-weight:500;min-width:9rem;max-width:24rem;overflow-wrap:anywhere}
td{max-width:28rem;overflow-wrap:anywhere}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.alerts{padding:0;list-style:none}
.alerts li{border-left:4px solid var(--warn);background:var(--card);padding:.5rem .8rem;margin:.4rem 0;overflow-wrap:anywhere}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1rem}
figure{margin:0}
figure svg{width:100%;height:auto;max-width:32rem}
figcaption{color:var(--dim);font-size:.85rem}
dl{display:flex;flex-wrap:wrap;gap:.6rem;margin:.6rem 0}
dl div{background:var(--card);padding:.4rem .8rem;border-radius:.4rem}
dt{color:var(--dim);font-size:.8rem}
dd{margin:0;font-size:1.15rem;font-variant-numeric:tabular-nums}
.bars{width:100%;max-width:36rem}
.bars th,.bars td{border:0;padding:.1rem .5rem;min-width:0;white-space:nowrap}
.bar{width:70%}
.bar span{display:block;height:.8rem;margin-top:.3rem;min-width:1px;background:var(--mark);border-radius:2px}
pre{background:var(--card);padding:.8rem;overflow-x:auto;font-size:.85rem}
summary{cursor:pointer;color:var(--mark)}
@media print{nav{display:none}}
"""
