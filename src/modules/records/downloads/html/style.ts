/** Of the page that people read and print; it loads nothing. */
export const STYLE = `
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 72rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.75rem; } h2 { font-size: 1.35rem; margin-top: 2.5rem; border-bottom: 2px solid #33566b; } h3 { font-size: 1.1rem; }
a { color: #0b5394; } a:focus { outline: 3px solid #0b5394; }
.skip { position: absolute; left: -100rem; } .skip:focus { position: static; }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0 1.5rem; }
caption { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; white-space: nowrap; }
th, td { border: 1px solid #8a99a5; padding: 0.35rem 0.5rem; text-align: start; vertical-align: top; overflow-wrap: break-word; }
th[scope=row] { min-width: 9rem; } td:last-child { overflow-wrap: anywhere; min-width: 9rem; }
thead th { background: #e4edf2; } tbody tr:nth-child(even) { background: #f6f9fb; }
.scroll { overflow-x: auto; position: relative; } .when { white-space: nowrap; } ul { margin: 0; padding-inline-start: 1.1rem; }
figure { margin: 1rem 0; break-inside: avoid; } .ink-0 { color: #0b5394; } .ink-1 { color: #a64d00; } .ink-2 { color: #38761d; } .ink-3 { color: #741b47; } .range { color: #93b98a; } svg { max-width: 100%; height: auto; }
.notice { border-inline-start: 4px solid #33566b; padding: 0.25rem 0.75rem; background: #eef3f6; }
@media screen and (max-width: 40rem) {
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  table, tbody, tr, th, td { display: block; } tr { border: 1px solid #8a99a5; margin-bottom: 0.75rem; padding: 0.25rem 0.5rem; }
  th[scope=row], td { border: 0; padding: 0.15rem 0; } td:empty { display: none; }
  td[data-head]::before { content: attr(data-head) ": "; color: #4a5560; } td ul { display: block; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; } .skip, nav { display: none; }
  thead { display: table-header-group; } tr { break-inside: avoid; } h2, h3 { break-after: avoid; } a { color: inherit; text-decoration: none; }
}
`;
