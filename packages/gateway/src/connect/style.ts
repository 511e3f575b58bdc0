/** The pages' one style sheet: inline, so that a page needs nothing else, and light or dark as the reader likes it. */
export const STYLE = `
:root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--line:#e3e6eb;--text:#16181d;--soft:#5b6270;--accent:#2f5bea;--accent-over:#2449c4;--on-accent:#fff;--good:#12805c;--good-bg:#e6f5ef;--warn:#96510a;--warn-bg:#fdf1e0;--bad:#b3261e;--bad-bg:#fcebe9;--shadow:0 1px 2px rgba(16,24,40,.06),0 12px 32px rgba(16,24,40,.08)}
@media (prefers-color-scheme:dark){:root{--page:#0e1014;--card:#171a20;--line:#2a2f38;--text:#eef0f4;--soft:#a0a8b5;--accent:#6d8dff;--accent-over:#86a1ff;--on-accent:#0b1020;--good:#5fd3a8;--good-bg:#12291f;--warn:#f0b45f;--warn-bg:#2d2212;--bad:#ff8f86;--bad-bg:#331816;--shadow:none}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;min-height:100vh;display:grid;grid-template-rows:1fr auto;place-items:center;padding:24px 16px;background:var(--page);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{width:100%;max-width:440px;padding:36px 32px 32px;background:var(--card);border:1px solid var(--line);border-radius:16px;box-shadow:var(--shadow)}
@media (max-width:480px){main{padding:28px 20px 24px}}
.pair{display:flex;align-items:center;justify-content:center;gap:10px;margin-bottom:24px}
.mark{display:grid;place-items:center;width:52px;height:52px;border-radius:14px;border:1px solid var(--line);background:var(--page);font-size:21px;font-weight:650}
.link{display:flex;align-items:center;gap:4px;color:var(--soft)}
.link i{width:5px;height:5px;border-radius:50%;background:currentColor;opacity:.5}
.link svg{width:26px;height:26px}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}
h1{margin:0 0 8px;font-size:22px;line-height:1.3;font-weight:650;letter-spacing:-.01em;text-align:center;overflow-wrap:anywhere;text-wrap:balance}
.lead{margin:0 0 24px;color:var(--soft);text-align:center;overflow-wrap:anywhere;text-wrap:pretty}
.lead:last-child{margin-bottom:0}
.lead b{color:var(--text);font-weight:600}
ul{list-style:none;margin:0 0 24px;padding:16px 0 0;border-top:1px solid var(--line)}
li{position:relative;margin:10px 0 0;padding-left:28px;color:var(--soft);font-size:14.5px;overflow-wrap:anywhere}
li svg{position:absolute;left:0;top:2px;width:18px;height:18px;color:var(--good)}
.notice{margin:0 0 20px;padding:12px 14px;border-radius:10px;font-size:14.5px;overflow-wrap:anywhere}
.notice.warn{background:var(--warn-bg)}.notice.bad{background:var(--bad-bg)}
label{display:block;margin:0 0 6px;font-size:14.5px;font-weight:600}
input[type=password],input[type=text]{width:100%;margin:0 0 16px;padding:11px 13px;border:1px solid var(--line);border-radius:10px;background:var(--page);color:var(--text);font:inherit}
.choice{display:flex;gap:10px;align-items:flex-start;margin:0 0 16px;font-weight:400}
.choice input{margin:4px 0 0}
button{width:100%;padding:13px 18px;border:0;border-radius:10px;background:var(--accent);color:var(--on-accent);font:inherit;font-weight:600;cursor:pointer}
button:hover{background:var(--accent-over)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.small{margin:16px 0 0;color:var(--soft);font-size:13px;text-align:center}
footer{padding-top:20px;color:var(--soft);font-size:13px;text-align:center}
.sign{display:grid;place-items:center;width:56px;height:56px;margin:0 auto 20px;border-radius:50%}
.sign svg{width:28px;height:28px}
.sign.good{background:var(--good-bg)}.sign.warn{background:var(--warn-bg)}.sign.bad{background:var(--bad-bg)}
`
