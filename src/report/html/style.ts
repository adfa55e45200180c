/** The look of all pages: one light and one dark palette, and rules for print. */
const LIGHT = `
  --paper: #fbfaf7; --panel: #ffffff; --ink: #1d2129; --soft: #555c68; --line: #d9d6ce;
  --accent: #1f5fae; --accent-soft: #e6effa; --warn: #b3320f; --warn-soft: #fdeae3; --good: #1d6b3a;
  --l4: #efe6fb; --l4-edge: #6d3fb0; --l3: #e4e8fb; --l3-edge: #3f50ae; --l2: #dff0fa; --l2-edge: #14668f;
  --l1: #def3ea; --l1-edge: #16704c; --page: #f6f1e4; --page-edge: #85692a; --desc: #fae6ef; --desc-edge: #a03469;
  --unused: #f3f2ef; --unused-edge: #a9a59c; --entry: #70767f;`;
const DARK = `
  --paper: #14171c; --panel: #1b1f26; --ink: #e8e6e1; --soft: #a9b0bb; --line: #353b45;
  --accent: #82b4f5; --accent-soft: #22344d; --warn: #ff9a76; --warn-soft: #472317; --good: #7fd39b;
  --l4: #33264a; --l4-edge: #c0a0f0; --l3: #272e52; --l3-edge: #a3b0f4; --l2: #1c3a4b; --l2-edge: #83c6ea;
  --l1: #1a3d30; --l1-edge: #7dd6ad; --page: #3a3320; --page-edge: #d9bd78; --desc: #472539; --desc-edge: #eb9dc3;
  --unused: #23272e; --unused-edge: #6d737d; --entry: #98a0ab;`;

export const STYLE = `
:root { color-scheme: light dark; ${LIGHT} }
@media (prefers-color-scheme: dark) { :root:not([data-theme=light]) { ${DARK} } }
:root[data-theme=dark] { color-scheme: dark; ${DARK} }
:root[data-theme=light] { color-scheme: light; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
code, pre, .mono, svg text, #program button, td, th[scope=row] { font-family: ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; }
.wrap { max-width: 84rem; margin: 0 auto; padding: 1.5rem clamp(1rem, 3vw, 2.5rem) 3rem; }
header.top { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: baseline; justify-content: space-between; color: var(--soft); font-size: .875rem; }
h1 { font-size: clamp(1.25rem, 1rem + 1.4vw, 1.8rem); line-height: 1.25; margin: .6rem 0 .6rem; text-wrap: balance; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 0 0 .6rem; }
h3 { font-size: .875rem; margin: 1rem 0 .3rem; color: var(--soft); font-weight: 600; }
.lead { max-width: 48rem; margin: 0 0 1rem; font-size: 1.06rem; }
.badge { display: inline-block; padding: .1rem .55rem; border-radius: 1rem; background: var(--warn-soft); color: var(--warn); font-weight: 600; font-size: .875rem; }
.badge.fine { background: var(--accent-soft); color: var(--accent); }
dl.facts { display: flex; flex-wrap: wrap; gap: .25rem 1.75rem; margin: 0 0 1.25rem; font-size: .9rem; }
dl.facts div { display: flex; gap: .5rem; flex-wrap: wrap; }
dl.facts dt { color: var(--soft); } dl.facts dd { margin: 0; }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: .75rem; padding: 1rem 1.1rem; min-width: 0; }
.replay { display: grid; grid-template-columns: minmax(17rem, 25rem) minmax(0, 1fr); gap: 1rem; align-items: start; }
.stack { display: grid; gap: 1rem; min-width: 0; }
.below { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; margin-top: 1rem; align-items: start; }
.controls { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; margin-bottom: .6rem; }
.controls label { flex: 1 1 9rem; display: flex; gap: .6rem; align-items: center; }
input[type=range] { flex: 1; min-width: 6rem; accent-color: var(--accent); height: 1.6rem; }
output { min-width: 4.5rem; font-weight: 600; }
button, select, input[type=text] { font: inherit; color: var(--ink); background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; padding: .3rem .7rem; }
button { cursor: pointer; } button:hover { border-color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
a { color: var(--accent); }
#program { list-style: none; margin: 0; padding: 0; max-height: 26rem; overflow-y: auto; position: relative; counter-reset: step; }
#program button { display: grid; grid-template-columns: minmax(1.6rem, max-content) 1fr; gap: .6rem; width: 100%; text-align: left; border: 0; border-radius: .4rem; background: none; padding: .35rem .4rem; font-size: .85rem; overflow-wrap: anywhere; white-space: pre-wrap; }
#program button:hover { background: var(--accent-soft); }
#program .current { background: var(--accent-soft); box-shadow: inset 3px 0 0 var(--accent); }
#program .number { color: var(--soft); text-align: right; }
#program .wrong { color: var(--warn); font-weight: 600; }
.machine { font-size: .82rem; color: var(--soft); overflow-wrap: anywhere; margin: 0 0 .5rem; }
.graph { overflow: auto; max-width: 100%; padding: .25rem; }
svg { display: block; margin: 0 auto; max-width: 100%; height: auto; }
svg text { fill: var(--ink); font-size: 12px; }
svg .column { text-anchor: middle; fill: var(--soft); font-weight: 600; font-family: system-ui, sans-serif; }
.frame rect { fill: var(--unused); stroke: var(--unused-edge); stroke-width: 1.4; }
.frame .name { font-weight: 700; } .frame .type { font-size: 11px; } .frame .mark { text-anchor: end; font-size: 10.5px; fill: var(--soft); }
.frame.L4 rect { fill: var(--l4); stroke: var(--l4-edge); } .frame.L3 rect { fill: var(--l3); stroke: var(--l3-edge); }
.frame.L2 rect { fill: var(--l2); stroke: var(--l2-edge); } .frame.L1 rect { fill: var(--l1); stroke: var(--l1-edge); }
.frame.writable rect { fill: var(--page); stroke: var(--page-edge); } .frame.seg_desc rect { fill: var(--desc); stroke: var(--desc-edge); }
.frame.unused rect { stroke-dasharray: 4 3; } .frame.partial rect { stroke-dasharray: 7 3; }
.frame.pinned rect { stroke-width: 2.6; }
.frame.changed rect { stroke: var(--accent); stroke-width: 3.4; } 
.edge path { fill: none; stroke: var(--entry); stroke-width: 1.3; } .edge .tip { fill: var(--entry); stroke: none; }
.edge text { text-anchor: middle; font-size: 11px; fill: var(--soft); paint-order: stroke; stroke: var(--panel); stroke-width: 4px; }
.edge.rw path { stroke: var(--warn); stroke-width: 1.7; } .edge.rw .tip { fill: var(--warn); stroke: none; } .edge.rw text { fill: var(--warn); font-weight: 700; }
.edge.walk path { stroke-width: 2.6; } .edge.walk .tip { stroke: none; }
.edge.changed path { stroke-width: 3.4; } .edge.changed .tip { stroke-width: 0; } .edge.changed text { font-weight: 700; }
.edge.removed path { stroke-dasharray: 5 4; stroke-width: 1.6; } .edge.removed text { font-style: italic; }
.edge.idle path { stroke-dasharray: 1.5 3.5; } .edge.idle .tip { stroke: none; }
.edge.gone { display: none; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin: .6rem 0 0; padding: 0; list-style: none; font-size: .82rem; color: var(--soft); }
.legend i { display: inline-block; width: 1.5rem; height: 0; border-top: 3px solid var(--entry); vertical-align: middle; margin-right: .35rem; }
.legend .idle i { border-top-style: dotted; } .legend .rw i { border-color: var(--warn); } .legend .rw { color: var(--warn); font-weight: 600; } .legend .now i { border-color: var(--accent); border-top-width: 4px; }
.lines { margin: 0; padding: 0; list-style: none; font-size: .88rem; } .lines li { padding: .1rem 0; overflow-wrap: anywhere; }
.verdicts { list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); gap: .3rem .9rem; font-size: .88rem; }
.verdicts .broken { grid-column: 1 / -1; background: var(--warn-soft); border-radius: .4rem; padding: .35rem .55rem; }
.verdicts .mark { font-weight: 600; margin-left: .4rem; } .verdicts .holds .mark { color: var(--good); } .verdicts .broken .mark { color: var(--warn); }
.verdicts .message { display: block; }
.walk { list-style: none; display: flex; flex-wrap: wrap; gap: .5rem; margin: 0; padding: 0; align-items: center; }
.walk li { border: 1.5px solid var(--line); border-radius: .5rem; padding: .35rem .6rem; font-size: .88rem; }
.walk li + li::before { content: '→ '; color: var(--soft); } .walk li.end { border-color: var(--warn); color: var(--warn); font-weight: 600; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; } caption { text-align: left; color: var(--soft); padding-bottom: .4rem; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th, td { white-space: pre; } thead th { color: var(--soft); font-weight: 600; } tr.changed { background: var(--accent-soft); } .scroll { overflow-x: auto; }
pre { margin: 0; padding: .8rem 1rem; overflow-x: auto; background: var(--paper); border: 1px solid var(--line); border-radius: .5rem; font-size: .82rem; line-height: 1.45; }
.head { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; flex-wrap: wrap; }
.grid { stroke: var(--line); } .tick { font-size: 12px; text-anchor: end; fill: var(--soft); } .tick.middle { text-anchor: middle; } .line { fill: none; stroke: var(--accent); stroke-width: 2.2; }
.heat td { text-align: right; padding: .2rem .7rem; background: color-mix(in srgb, var(--accent) var(--heat, 0%), var(--panel)); } .heat th { padding-right: .8rem; }
.bars { list-style: none; margin: 0; padding: 0; display: grid; gap: .15rem; font-size: .82rem; } .bars li { display: grid; grid-template-columns: minmax(9rem, 19rem) minmax(3rem, 1fr) minmax(8rem, 15rem); gap: .7rem; align-items: center; }
.bars .bar { display: block; height: .7rem; border-radius: .2rem; background: var(--accent); min-width: 2px; } .bars .said { color: var(--soft); } .bars code { overflow-wrap: anywhere; }
.next { margin-bottom: 1rem; } .next details { margin: .3rem 0; } .next summary { cursor: pointer; padding: .2rem 0; }
.links { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; font-size: .9rem; }
.tries { display: flex; flex-wrap: wrap; gap: .35rem; padding: .35rem 0 .5rem; } .try { font-size: .82rem; padding: .2rem .5rem; text-align: left; overflow-wrap: anywhere; }
.try span { color: var(--soft); } .try.fine span { color: var(--good); font-weight: 600; } .try.fails { border-color: var(--warn); background: var(--warn-soft); } .try.fails span { color: var(--warn); font-weight: 600; }
textarea { width: 100%; max-width: 60rem; font-size: .85rem; color: var(--ink); background: var(--paper); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem; }
input[type=text] { min-width: min(24rem, 100%); } select { max-width: 100%; }
footer { margin-top: 1.5rem; color: var(--soft); font-size: .88rem; max-width: 60rem; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 42rem) { .bars li { grid-template-columns: minmax(0, 1fr); gap: .1rem; padding-bottom: .35rem; } }
@media (max-width: 60rem) { .replay { grid-template-columns: minmax(0, 1fr); } #program { max-height: 15rem; } }
@media print {
  :root, :root[data-theme=dark] { color-scheme: light; ${LIGHT} --paper: #fff; }
  body { font-size: 10pt; } .controls, #theme, [data-copy], .legend .now { display: none !important; }
  .replay, .below { display: block; } .panel { break-inside: avoid; border-color: #bbb; margin-bottom: .8rem; }
  #program { max-height: none; overflow: visible; } .graph { overflow: visible; } svg { max-width: 100%; height: auto; }
  #changes [data-step] { display: block !important; } pre { white-space: pre-wrap; }
}
`;
