// Expressions whose values in the sandbox are compared with those in Node.js: `[group, expression]`.
//
// Each is a body that returns the value or a single expression; what is compared is what `util.inspect` makes of it, or
// the error's name, and its code and message if it has a code.

const groups = {
  buffer: String.raw`
Buffer.from("hello").indexOf("l")
Buffer.from("hello").includes("ell")
Buffer.from("é","latin1").toString("hex")
JSON.stringify(Buffer.from("a"))
Buffer.from({type:"Buffer",data:[97]}).toString()
Buffer.from("a").equals(Buffer.from("a"))
Buffer.from("a").equals(new Uint8Array([97]))
Buffer.from("a").equals("a")
Buffer.compare(Buffer.from("a"), Buffer.from("b"))
Buffer.from("abc").compare(Buffer.from("abcd"))
Buffer.from("abcd").compare(Buffer.from("xabcd"), 1)
Buffer.from("abcd").compare(Buffer.from("xabcd"), 1, 3, 0, 2)
Buffer.from("abcd").compare(Buffer.from("xabcd"), 9)
Buffer.from([251,255]).toString("base64url")
Buffer.from("-_8", "base64url")
Buffer.from("+/8=", "base64")
Buffer.from("-_8=", "base64")
Buffer.from("YQ==YQ==", "base64")
Buffer.from("Y Q\n=", "base64")
Buffer.from("YWI", "base64").toString()
Buffer.from("Y", "base64")
Buffer.from("", "base64")
Buffer.from("zz", "hex")
Buffer.from("abc", "hex")
Buffer.from("abxxcd", "hex")
Buffer.from("ABcd", "hex")
Buffer.from("aé", "utf16le")
Buffer.from("aé", "ucs2")
Buffer.from("aé", "ucs-2").toString("utf16le")
Buffer.from("aé€", "ascii")
Buffer.from("aé€", "latin1")
Buffer.from("aé€", "binary")
Buffer.from("€").toString("ascii")
Buffer.from("€").toString("latin1")
Buffer.from("€").toString("binary")
Buffer.from("€").toString("hex")
Buffer.from("€").toString("base64")
Buffer.from("€").toString("utf8", 1)
Buffer.from("€").toString("utf8", 0, 2)
Buffer.from([0xe2, 0x82]).toString()
Buffer.from([0xf0, 0x9f, 0x98, 0x80]).toString()
Buffer.from([0xff, 0xfe, 0x41]).toString()
Buffer.from([0xed, 0xa0, 0x80]).toString()
Buffer.from("\ud800").toString("hex")
Buffer.from("a", "nope")
Buffer.from("a").toString("nope")
Buffer.from(5)
Buffer.from(null)
Buffer.from(undefined)
Buffer.from({})
Buffer.from(Symbol("a"))
Buffer.from(true)
Buffer.from([1,2,300,-1,"5",NaN,1.9])
Buffer.from([])
Buffer.from({length: 2, 0: 1, 1: 2})
Buffer.from(new String("abc"))
Buffer.from(new Uint16Array([1, 257]))
Buffer.from(new Uint8Array([1, 2, 3]).buffer, 1, 1)
Buffer.from(new ArrayBuffer(3))
Buffer.from(new ArrayBuffer(3), 5)
Buffer.from(new ArrayBuffer(3), 1, 9)
Buffer.from(Buffer.from("abc"))
Buffer.from({[Symbol.toPrimitive]() { return "tp" }})
Buffer.alloc(3)
Buffer.alloc(5, "ab")
Buffer.alloc(5, "YWI=", "base64")
Buffer.alloc(5, 7)
Buffer.alloc(5, Buffer.from([1, 2]))
Buffer.alloc(3, "")
Buffer.alloc(-1)
Buffer.alloc("5")
Buffer.alloc(1.5).length
Buffer.alloc(3, "é")
Buffer.alloc(3, "zz", "hex")
Buffer.allocUnsafe(4).length
Buffer.concat([Buffer.from("a"), Buffer.from("bc")])
Buffer.concat([Buffer.from("a"), Buffer.from("bc")], 2)
Buffer.concat([Buffer.from("a")], 4)
Buffer.concat([])
Buffer.concat([1])
Buffer.concat("a")
Buffer.concat([new Uint8Array([1])])
Buffer.byteLength("é")
Buffer.byteLength("é", "latin1")
Buffer.byteLength("abc", "hex")
Buffer.byteLength("YWI=", "base64")
Buffer.byteLength("YWI", "base64url")
Buffer.byteLength("ab", "utf16le")
Buffer.byteLength(new ArrayBuffer(5))
Buffer.byteLength(5)
Buffer.byteLength("\ud800")
["utf8","UTF-8","utf16le","UCS-2","latin1","binary","ascii","hex","base64","base64url","nope","",undefined,5].map(Buffer.isEncoding)
Buffer.isBuffer(Buffer.alloc(1))
Buffer.isBuffer(new Uint8Array(1))
Buffer.from("hello").indexOf("l", 3)
Buffer.from("hello").indexOf("l", -2)
Buffer.from("hello").indexOf("l", -20)
Buffer.from("hello").indexOf("z")
Buffer.from("hello").indexOf("")
Buffer.from("hello").indexOf("", 9)
Buffer.from("hello").indexOf(108)
Buffer.from("hello").indexOf(108 + 256)
Buffer.from("hello").indexOf(99.9)
Buffer.from("hello").indexOf(Buffer.from("lo"))
Buffer.from("hello").indexOf(new Uint8Array([108]))
Buffer.from("hello").indexOf("6c6f", 0, "hex")
Buffer.from("hello").indexOf("bG8=", "base64")
Buffer.from("hello").indexOf({})
Buffer.from("hello").indexOf("l", "x")
Buffer.from("hello").indexOf("l", null)
Buffer.from("hello").indexOf("l", {})
Buffer.from("hello").lastIndexOf("l")
Buffer.from("hello").lastIndexOf("l", 2)
Buffer.from("hello").lastIndexOf("l", -3)
Buffer.from("hello").lastIndexOf("l", -9)
Buffer.from("hello").lastIndexOf("l", undefined)
Buffer.from("hello").lastIndexOf("l", null)
Buffer.from("hello").lastIndexOf(104, 0)
Buffer.from("hello").lastIndexOf("")
Buffer.from("hello").lastIndexOf("hello world")
Buffer.from("hello").lastIndexOf(Buffer.from("l"))
Buffer.from("héllo", "utf16le").indexOf("l", 0, "utf16le")
Buffer.from("héllo", "utf16le").lastIndexOf("l", undefined, "utf16le")
Buffer.from([0,1,0,1,1,0]).indexOf("\u0101", 0, "utf16le")
Buffer.from([0,1,0,1,1,0]).indexOf("\u0001", 0, "utf16le")
Buffer.from("hello").includes("lx")
Buffer.from("hello").includes(104)
Buffer.from("hello").slice(1, 3)
Buffer.from("hello").slice(-2)
Buffer.from("hello").slice("1", "x")
Buffer.from("hello").subarray(1, -1)
Buffer.from("hello").subarray(3, 1)
(() => { const b = Buffer.from("hello"); b.subarray(1)[0] = 97; return b.toString() })()
(() => { const b = Buffer.alloc(5); return [b.write("hi"), b.write("é", 3), b.write("zzz", 4), b] })()
(() => { const b = Buffer.alloc(5); return [b.write("€", 3), b.write("6162", "hex"), b.write("abc", 1, 2), b] })()
(() => { const b = Buffer.alloc(5); return [b.write("abc", 1, "latin1"), b.write("abc", 2, 1, "latin1"), b] })()
Buffer.alloc(2).write("abc", 5)
Buffer.alloc(2).write("abc", -1)
Buffer.alloc(2).write(5)
Buffer.alloc(2).write("abc", 0, "nope")
Buffer.alloc(6).fill("abc", 1, 5)
Buffer.alloc(6).fill("é")
Buffer.alloc(6).fill("ab", "utf16le")
Buffer.alloc(6).fill(257)
Buffer.alloc(6).fill("")
Buffer.alloc(6).fill(Buffer.from("xy"), 2)
Buffer.alloc(6).fill("zz", "hex")
Buffer.alloc(6).fill("a", 9)
Buffer.alloc(6).fill("a", 0, "nope")
Buffer.alloc(6).fill(true)
Buffer.alloc(6).fill("abcdefghij")
(() => { const b = Buffer.alloc(8); b.writeUInt8(255, 0); b.writeUInt16LE(0x1234, 1); b.writeUInt16BE(0x1234, 3); b.writeInt8(-1, 5); return b })()
(() => { const b = Buffer.alloc(8); b.writeUInt32LE(0xdeadbeef, 0); b.writeInt32BE(-2, 4); return [b, b.readUInt32LE(0), b.readInt32BE(4), b.readUInt32BE(), b.readInt16LE(4)] })()
(() => { const b = Buffer.alloc(16); b.writeDoubleLE(Math.PI, 0); b.writeFloatBE(1.5, 8); b.writeFloatLE(-0, 12); return [b, b.readDoubleLE(0), b.readFloatBE(8), b.readDoubleBE(0), b.readFloatLE(12)] })()
(() => { const b = Buffer.alloc(16); b.writeBigInt64LE(-5n, 0); b.writeBigUInt64BE(2n**64n-1n, 8); return [b, b.readBigInt64LE(), b.readBigUInt64BE(8), b.readBigInt64BE(8)] })()
(() => { const b = Buffer.alloc(6); b.writeUIntBE(0x123456789abc, 0, 6); return [b, b.readUIntBE(0, 6), b.readIntLE(0, 6), b.readUIntLE(1, 3), b.readIntBE(0, 5)] })()
Buffer.alloc(2).readUInt32LE()
Buffer.alloc(4).readUInt32LE(1)
Buffer.alloc(4).readUInt8(4)
Buffer.alloc(4).readUInt8("0")
Buffer.alloc(4).readUInt8(1.5)
Buffer.alloc(4).readIntBE(0, 7)
Buffer.alloc(4).writeUInt8(256)
Buffer.alloc(4).writeInt8(128)
Buffer.alloc(4).writeUInt32LE(-1)
Buffer.alloc(4).writeUInt16BE(65536, 0)
Buffer.alloc(8).writeBigInt64LE(2n**63n)
Buffer.alloc(8).writeBigUInt64LE(5)
Buffer.alloc(4).writeUInt8("9")
Buffer.from([1,2,3,4]).swap16()
Buffer.from([1,2,3,4]).swap32()
Buffer.from([1,2,3,4,5,6,7,8]).swap64()
Buffer.from([1,2,3]).swap16()
Buffer.from([1,2,3]).toJSON()
Buffer.from("abc").copy(Buffer.alloc(2))
(() => { const t = Buffer.alloc(5, "."); return [Buffer.from("abc").copy(t, 1, 1), Buffer.from("xyz").copy(t, 4, 0, 2), t.toString()] })()
Buffer.from("abc").copy([])
[...Buffer.from("ab").entries()]
Buffer.from("abc").at(-1)
Buffer.from("abc").map((x) => x + 1)
Buffer.from("abc").reverse().toString()
Buffer.from("abc").toLocaleString()
Buffer.from("abc").join()
String(Buffer.from("abc"))
Buffer.from("abc") + ""
Buffer.from("abc").parent === Buffer.from("abc").buffer
Buffer.from("abc").toString("utf8", -1, 2)
Buffer.from("abc").toString("utf8", 1.7)
Buffer.from("abc").toString("utf8", 3)
Buffer.from("abc").toString("hex", 1)
Buffer.from("abc").toString(undefined, 1)
Buffer.poolSize
Object.keys(Buffer).sort()
Buffer.name + Buffer.length
new Buffer("a")
Buffer(3)
Object.assign(Buffer.from("a"), {x: 1})
Buffer.from("x".repeat(60))
require("buffer").transcode(Buffer.from("€"), "utf8", "latin1")
require("buffer").transcode(Buffer.from("é"), "utf8", "utf16le")
require("buffer").transcode(Buffer.from("é"), "latin1", "utf8")
require("buffer").transcode(Buffer.from("é"), "utf8", "ascii")
require("buffer").isUtf8(Buffer.from([0xff]))
require("buffer").isUtf8(Buffer.from("é"))
require("buffer").isAscii(Buffer.from("é"))
require("buffer").constants
require("buffer").kMaxLength
require("buffer").INSPECT_MAX_BYTES
btoa("abc")
btoa("é")
btoa("€")
btoa()
btoa(null)
atob("YWJj")
atob(" Y W J j ")
atob("YQ")
atob("YQ=")
atob("Y")
atob("Y===")
atob("Y*")
atob("-_")
atob("")
atob(btoa("é")) === "é"
Buffer.from("x".repeat(200000)).toString("base64").length
Buffer.from("é€😀".repeat(30000)).toString() === "é€😀".repeat(30000)
Buffer.from(Buffer.from("é€😀".repeat(30000)).toString("base64"), "base64").equals(Buffer.from("é€😀".repeat(30000)))
Buffer.from(Buffer.from("é€😀".repeat(30000)).toString("hex"), "hex").equals(Buffer.from("é€😀".repeat(30000)))
Buffer.from("é€😀".repeat(30000), "utf16le").toString("utf16le") === "é€😀".repeat(30000)
Buffer.from("ab".repeat(50000)).indexOf("b".repeat(2))
`,
  text: String.raw`
new TextDecoder("latin1").decode(new Uint8Array([0xe9, 0x80]))
new TextDecoder("latin1").encoding
["utf8","UTF-8"," unicode-1-1-utf-8 ","utf-16","utf-16le","utf-16be","ascii","iso-8859-1","windows-1251","koi8-r","shift_jis","euc-jp","gbk","gb18030","big5","euc-kr","iso-2022-jp","macintosh","x-mac-cyrillic","iso-8859-8-i","windows-874"].map((l) => new TextDecoder(l).encoding)
new TextDecoder("nope")
new TextDecoder("")
new TextDecoder("utf-8", 5)
new TextDecoder().decode()
new TextDecoder().decode("a")
new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 65]))
new TextDecoder("utf-8", {ignoreBOM: true}).decode(new Uint8Array([0xef, 0xbb, 0xbf, 65])).length
new TextDecoder().decode(new Uint8Array([0xff, 65, 0xe2, 0x82]))
new TextDecoder("utf-8", {fatal: true}).decode(new Uint8Array([0xff]))
new TextDecoder("utf-8", {fatal: true}).decode(new Uint8Array([65]))
new TextDecoder("utf-8", {fatal: true, ignoreBOM: true})
new TextDecoder().decode(new Uint8Array([65, 66]).buffer)
new TextDecoder().decode(new DataView(new Uint8Array([65, 66]).buffer, 1))
new TextDecoder().decode(new Uint16Array([0x4141]))
new TextDecoder("utf-16le").decode(new Uint8Array([65, 0, 0xe9, 0]))
new TextDecoder("utf-16be").decode(new Uint8Array([0, 65, 0, 0xe9]))
new TextDecoder("utf-16le").decode(new Uint8Array([0xff, 0xfe, 65, 0]))
new TextDecoder("windows-1251").decode(new Uint8Array([0xcf, 0xf0]))
new TextDecoder("shift_jis").decode(new Uint8Array([0x82, 0xa0]))
new TextDecoder("euc-kr").decode(new Uint8Array([0xb0, 0xa1]))
new TextDecoder("gbk").decode(new Uint8Array([0xc4, 0xe3]))
new TextDecoder("big5").decode(new Uint8Array([0xa7, 0x41]))
new TextDecoder("koi8-r").decode(new Uint8Array([0xf0]))
(() => { const d = new TextDecoder(); return [d.decode(new Uint8Array([0xe2, 0x82]), {stream: true}), d.decode(new Uint8Array([0xac]), {stream: true}), d.decode()] })()
(() => { const d = new TextDecoder(); return [d.decode(new Uint8Array([0xe2, 0x82]), {stream: true}), d.decode()] })()
(() => { const d = new TextDecoder("utf-16le"); return [d.decode(new Uint8Array([65]), {stream: true}), d.decode(new Uint8Array([0, 66]), {stream: true}), d.decode(new Uint8Array([0]))] })()
(() => { const d = new TextDecoder("shift_jis"); return [d.decode(new Uint8Array([0x82]), {stream: true}), d.decode(new Uint8Array([0xa0]))] })()
(() => { const d = new TextDecoder(); return [d.decode(new Uint8Array([0xef]), {stream: true}), d.decode(new Uint8Array([0xbb, 0xbf, 65]), {stream: true}), d.decode(new Uint8Array([0xef, 0xbb, 0xbf]))].map((s) => s.length) })()
new TextDecoder().fatal
new TextEncoder().encode("é€😀")
new TextEncoder().encode()
new TextEncoder().encode("\ud800")
new TextEncoder().encode(5)
new TextEncoder().encodeInto("aé€", new Uint8Array(4))
new TextEncoder().encodeInto("😀a", new Uint8Array(5))
new TextEncoder().encodeInto("😀a", new Uint8Array(3))
new TextEncoder().encodeInto("a", [])
new TextEncoder().encoding
new TextEncoder()
TextEncoder.prototype.encode.call({}, "a")
Object.prototype.toString.call(new TextDecoder())
`,
  url: String.raw`
new URL("https://u:p@h.example:8080/a/b?q=1#f")
new URL("HTTP://EXAMPLE.com:80/%7Efoo/../a b?x=é#ü").href
new URL("/x?a=1", "https://h.example/b/c").href
new URL("../x", "https://h.example/b/c/d").href
new URL("//other/x", "https://h.example/").href
new URL("?q", "https://h.example/b?c#d").href
new URL("", "https://h.example/b?c#d").href
new URL("nope")
new URL("nope", "alsonope")
new URL()
new URL("http://")
new URL("http://a b/")
new URL("http://[::1]:3000/x").host
new URL("http://[::ffff:1.2.3.4]/").hostname
new URL("http://0x7f.1/").hostname
new URL("http://256.256.256.256/")
new URL("http://münchen.example/ä").href
new URL("http://xn--mnchen-3ya.example/").hostname
new URL("http://h:99999/")
new URL("mailto:a@b.example").pathname
new URL("mailto:a@b.example")
new URL("data:text/plain,hi").origin
new URL("blob:https://a.example/x").origin
new URL("file:///a/b").href
new URL("file:///a/b")
new URL("file://host/a").host
new URL("javascript:alert(1)").protocol
new URL("ws://a:80/").port
new URL("https://a:443/").port
new URL("https://a:444/").port
new URL("foo://a:80/b").origin
new URL("foo://a:80/b")
new URL("https://u@h/").href
new URL("https://:p@h/").password
new URL("https://a@b@c/").username
new URL("https://h/?a=b&a=c").searchParams.getAll("a")
(() => { const u = new URL("https://h/?a=b"); u.searchParams.append("c", "d e"); return u.href })()
(() => { const u = new URL("https://h/?a=b"); u.searchParams.delete("a"); return u.href })()
(() => { const u = new URL("https://h/?a=b"); const p = u.searchParams; u.search = "?x=y"; return [...p] })()
(() => { const u = new URL("https://h/"); u.protocol = "http"; u.host = "x:81"; u.pathname = "a b"; u.hash = "z"; u.port = "82"; u.username = "u:"; u.password = "@"; return u.href })()
(() => { const u = new URL("https://h/"); u.protocol = "foo"; u.port = "x"; u.hostname = ""; return u.href })()
(() => { const u = new URL("https://h:1/"); u.port = ""; u.hash = ""; u.search = ""; return u.href })()
(() => { const u = new URL("https://h/"); u.href = "nope"; return u.href })()
(() => { const u = new URL("https://h/"); u.origin = "x"; return u.origin })()
JSON.stringify({u: new URL("https://h/a")})
String(new URL("https://h/a"))
URL.canParse("https://h")
URL.canParse("x")
URL.canParse("x", "https://h")
URL.canParse()
URL.parse("x")
Object.keys(new URL("https://h"))
Object.prototype.toString.call(new URL("https://h"))
URL.prototype.toString.call({})
URL("https://h")
new URL("https://h/a?b#c").toString === URL.prototype.toString
new URL("https://h").searchParams
new (class X extends URL {})("https://h") instanceof URL
new URLSearchParams("?a=b&c=d+e&f=%20&g&=h&&")
new URLSearchParams("a=%zz&b=%C3%A9&c=%ff").toString()
new URLSearchParams({a: 1, b: "x y", c: "&="}).toString()
new URLSearchParams([["a", "b"], ["a", "c"]]).toString()
new URLSearchParams(new Map([["a", "b"]])).toString()
new URLSearchParams(new URLSearchParams("a=b")).toString()
new URLSearchParams([["a"]])
new URLSearchParams([1])
new URLSearchParams({[Symbol.iterator]: 5})
new URLSearchParams(5).toString()
new URLSearchParams(null).toString()
new URLSearchParams(undefined).toString()
new URLSearchParams("é=ü😀~*-._!'()").toString()
new URLSearchParams("a=1&b=2&a=3").get("a")
new URLSearchParams("a=1").get("z")
new URLSearchParams("a=1&b=2&a=3").getAll("a")
new URLSearchParams("a=1").has("a", "2")
new URLSearchParams("a=1&b=2&a=3").size
(() => { const p = new URLSearchParams("b=1&a=2&b=0"); p.sort(); p.set("b", "9"); p.append("c", "3"); p.delete("a"); return p.toString() })()
(() => { const p = new URLSearchParams("a=1&a=2"); p.delete("a", "1"); return p.toString() })()
[...new URLSearchParams("a=1&b=2")]
[...new URLSearchParams("a=1&b=2").keys()]
[...new URLSearchParams("a=1&b=2").values()]
new URLSearchParams("a=1").entries()
(() => { const out = []; new URLSearchParams("a=1&b=2").forEach((v, k) => out.push(k + v)); return out })()
new URLSearchParams("a=1").append("x")
new URLSearchParams("a=1").get()
URLSearchParams.prototype.get.call({}, "a")
new URLSearchParams()
new URLSearchParams("\ud800=1").toString()
require("url").parse("https://u:p@h.example:80/a?b=c#d")
require("url").parse("https://h/?a=b", true).query
require("url").format({protocol: "http", host: "h", pathname: "/a", query: {b: 1}})
require("url").format(new URL("https://u:p@münchen.example/a?b#c"), {auth: false, unicode: true, fragment: false})
require("url").resolve("http://a/b/c", "../d")
require("url").fileURLToPath("file:///a/b%20c")
require("url").fileURLToPath("https://h/")
require("url").pathToFileURL("/a b/ü#").href
require("url").domainToASCII("münchen.example")
require("url").domainToUnicode("xn--mnchen-3ya.example")
require("url").domainToASCII("a b")
require("url").urlToHttpOptions(new URL("https://u:p@h:1/a?b"))
require("url").URL === URL
require("querystring").parse("a=1&a=2&b=%20+")
require("querystring").stringify({a: [1, 2], b: "x y", c: true, d: null})
require("querystring").escape("a b&é")
require("url").parse("http://a b/c")
require("url").parse("HTTP://U:P@EXAMPLE.com:80/a b?x=1#y z", true)
require("url").parse("mailto:a b@c.example")
require("url").parse("//h/a", false, true)
require("url").parse("javascript:alert('x')")
require("url").parse("http://münchen.example:x/").href
require("url").parse("http://[::1")
require("url").parse("  /a\\b?\\ ").href
require("url").parse(5)
require("url").parse("http://%zz@h")
require("url").resolve("http://u:p@h:80/a/b?c#d", "?e")
require("url").resolve("http://h/a/b/", "../../../c/./d/..")
require("url").resolve("http://h/a", "https:x/y")
require("url").resolve("/one/two", "#f")
require("url").resolve("//h", "a")
require("url").resolveObject("http://h/a", "//i")
require("url").format({hostname: "::1", port: 1, auth: "a:b@", search: "a#b", hash: "c", slashes: true, pathname: "x?y"})
require("url").format(5)
require("url").format(new URL("http://h?a#b"), {search: false})
require("url").pathToFileURL("/a/../b~[^]/").href
require("url").fileURLToPath("file://h/a")
require("url").urlToHttpOptions(new URL("http://[::1]/"))
require("querystring").parse("a&&b&c=1", null, null, {maxKeys: 3})
require("querystring").parse("a:%zz;b:%E2%82;c", ";", ":")
require("querystring").parse("a=b+c", "&", "=", {decodeURIComponent: (text) => "<" + text + ">"})
require("querystring").stringify({a: ["x", NaN, {}], b: 1n, c: "\u00e9", d: []}, ";", ":")
require("querystring").unescapeBuffer("a%20%zz+", true)
require("querystring").escape("\ud800")
new URLSearchParams("a=%E2%82\u00e9&b=%")
[new URLSearchParams("a=" + "x".repeat(90) + "&b=2"), new URLSearchParams("a=1&b=2&c=3&d=4&e=5&f=6&g=7").values()]
(() => { const u = new URL("http://h/?a=1"); u.searchParams.append("b", "2"); u.hash = "c"; u.search = "?d"; u.searchParams.sort(); return [u.href, u.searchParams.size] })()
Object.keys(Object.getOwnPropertyDescriptors(URLSearchParams.prototype))
URL.createObjectURL({})
`,
  inspect: String.raw`
820982911946154508
[820982911946154508, -0, 0, NaN, Infinity, 1e21, 1e-7, 123456789.123, 0.1 + 0.2, 5e-324]
new Map([["a", 1], [{b: 2}, [3]]])
new Map()
new Set([1, "a", {b: 1}])
new Set()
[new Map([[1, new Map([[2, new Map([[3, 4]])]])]])]
{a: 1, "b-c": 2, 3: 4, [Symbol("s")]: 5, "": 6, __proto__: {x: 1}}
{a: {b: {c: {d: 1}}}}
[[[[1]]]]
{a: [{b: {c: {}}}]}
Array.from({length: 101}, (_, i) => i)
Array.from({length: 7}, (_, i) => i)
Array.from({length: 6}, (_, i) => i)
Array.from({length: 27}, (_, i) => "item" + i)
Array.from({length: 30}, (_, i) => i * 1000)
Array.from({length: 10}, (_, i) => "x".repeat(i))
Array.from({length: 8}, () => ({a: 1}))
Array.from({length: 200}, () => "a".repeat(20))
[,]
[1,,2]
[,,,1,,,]
new Array(5)
new Array(1e9)
Object.assign([1, 2], {x: 1, "-1": 2})
[undefined, null, true, "a'b", 'a"b', "a'b\"c", "a'b\"c${"`"}d", "\n\t\\", "\u0000\u001b\u007f", "é😀", "\ud800"]
"plain"
"it's"
["a".repeat(200)]
["x\n".repeat(10)]
{long: "lorem ipsum ".repeat(20)}
{a: "x".repeat(70), b: 1}
{a: "x".repeat(30), b: "y".repeat(30)}
{a: "x".repeat(36), b: "y".repeat(26)}
{aaaaaaaaaaaaaaaaaaaa: 1, bbbbbbbbbbbbbbbbbbbbbbbbbb: 2, cccccccccccccccccccccc: 3, d: 4}
{a: 1, b: {c: 2, d: {e: 3}}, f: [1, 2, 3], g: () => {}, h: class A {}, i: Symbol("x")}
"x".repeat(10001)
["x".repeat(10005)]
function named() {}
() => {}
(() => { const f = () => {}; return f })()
async () => {}
function* gen() {}
async function* agen() {}
class A {}
class B extends Map {}
(() => { class A {} return class B extends A {} })()
class {}
Object.assign(function f() {}, {x: 1})
(() => { function f() {} Object.setPrototypeOf(f, null); return f })()
Math.max
Symbol("a")
Symbol()
Symbol.iterator
Symbol("a b\n")
10n
[1n, Object(2n)]
[new Number(1), new String("ab"), new Boolean(false), Object(Symbol("q")), new Number(-0)]
Object.assign(new String("ab"), {x: 1})
new Date(0)
new Date(NaN)
[new Date(1767323045678)]
Object.assign(new Date(0), {x: 1})
/a\/b/gi
Object.assign(/x/, {y: 1})
Object.create(null)
Object.assign(Object.create(null), {a: 1})
Object.create({})
Object.create({a: 1})
new (class Foo { constructor() { this.x = 1 } })
new (class Foo extends (class Bar {}) { y = 2 })
new (class Foo extends Map {})([[1, 2]])
new (class Foo extends Array {})(3)
new (class extends Set {})([1])
Object.create(class A {}.prototype)
new (class A { #p = 1; q = 2; get r() { return 1 } })
new (class A { get [Symbol.toStringTag]() { return "Tag" } })
({get [Symbol.toStringTag]() { return "T" }})
{[Symbol.toStringTag]: "x"}
Object.setPrototypeOf(new Map([[1, 2]]), null)
Object.setPrototypeOf([1], null)
Object.setPrototypeOf(new Date(0), null)
Object.setPrototypeOf({a: 1}, Object.create(null))
(() => { const a = {}; a.self = a; a.list = [a, {a}]; return a })()
(() => { const a = [1]; a.push(a); return a })()
(() => { const a = new Map(); a.set("a", a); return a })()
(() => { const a = {x: {}}; a.x.y = a; const b = {a}; a.b = b; return [a, b] })()
{get a() { return 1 }, set a(v) {}, get b() { return 2 }, set c(v) {}}
Object.defineProperty({}, "hidden", {value: 1})
new Uint8Array([1, 2, 3])
new Float64Array([1.5, -0, NaN])
new BigInt64Array([1n])
new Uint8Array(200)
new ArrayBuffer(4)
new Uint8Array([1, 255]).buffer
new DataView(new ArrayBuffer(2))
[Buffer.from("abc")]
Promise.resolve(5)
Promise.resolve({a: [1]})
new Promise(() => {})
(() => { const p = Promise.reject(new RangeError("no")); p.catch(() => {}); return require("util").inspect(p).split("\n")[0] })()
new WeakMap()
new WeakSet()
(function () { return arguments })(1, "a")
(function* () {})()
new Proxy({a: 1}, {})
new Proxy([1], {get() { throw 1 }})
new Proxy(function f() {}, {})
globalThis === global
[null, undefined]
{a: undefined, b: null}
{a: -0, b: [-0]}
JSON
Math
Reflect
new Error("boom", {cause: 1}).message
require("util").inspect(new Error("boom")).split("\n")[0]
require("util").inspect(new TypeError("boom")).split("\n")[0]
require("util").inspect(Object.assign(new Error("boom"), {code: 7})).split("\n")[0]
require("util").inspect(new (class MyError extends Error {})("q")).split("\n")[0]
require("util").inspect(new (class MyError extends Error { constructor(m) { super(m); this.name = "Custom" } })("q")).split("\n")[0]
require("util").inspect(new AggregateError([1, 2], "many")).split("\n")[0]
require("util").inspect(Object.assign(new Error("x"), {stack: "Error: x"}))
require("util").inspect(Object.assign(new Error("x"), {stack: "Error: x", a: 1}))
require("util").inspect([Object.assign(new Error("x"), {stack: "Error: x"})])
require("util").inspect(Object.assign(new Error("x", {cause: Object.assign(new Error("y"), {stack: "Error: y"})}), {stack: "Error: x"}))
require("util").inspect(Object.assign(new Error(""), {stack: undefined}))
require("util").inspect(Object.assign(new Error("x"), {stack: "", name: "N"}))
require("util").inspect(new DOMException("m", "AbortError")).split("\n")[0]
new Error("a").stack.split("\n")[0]
(() => { const e = new Error("a"); e.name = "N"; return e.stack.split("\n")[0] })()
(() => { const o = {}; Error.captureStackTrace(o); return o.stack.split("\n")[0] })()
(() => { const e = new TypeError("a"); return [e.stack.split("\n")[0], Object.keys(e), Object.getOwnPropertyDescriptor(e, "stack").enumerable] })()
require("util").inspect({a: {b: {c: {d: 1}}}}, {depth: 0})
require("util").inspect({a: {b: {c: {d: 1}}}}, {depth: null})
require("util").inspect({a: {b: {c: {d: 1}}}}, false, 1)
require("util").inspect({a: 1, b: "x"}, {colors: true})
require("util").inspect({a: 1, b: [1, 2]}, {compact: false})
require("util").inspect({a: {b: 1}, c: [1, 2, 3]}, {compact: true, breakLength: 10})
require("util").inspect({b: 1, a: 2}, {sorted: true})
require("util").inspect([1, 2, 3], {maxArrayLength: 1})
require("util").inspect(new Map([[1, 2], [3, 4]]), {maxArrayLength: 1})
require("util").inspect("abcdef", {maxStringLength: 3})
require("util").inspect({get a() { return {b: 1} }}, {getters: true})
require("util").inspect(new Proxy({a: 1}, {get() {}}), {showProxy: true})
require("util").inspect([1, 2], {showHidden: true})
require("util").inspect(123456789.12345, {numericSeparator: true})
require("util").inspect({[require("util").inspect.custom](depth, options, inspect) { return "custom " + depth + typeof inspect + options.depth }})
require("util").inspect({a: {[Symbol.for("nodejs.util.inspect.custom")]() { return {x: 1} }}})
require("util").inspect({inspect() { return "no" }})
require("util").inspect({a: 1n, b: Symbol("c"), c: null, d: undefined, e: function () {}}, {breakLength: 40})
require("util").inspect(new (class A { constructor() { this.a = [1, 2, {b: new Map([["k", new Set([1])]])}] } }), {depth: 5})
require("util").inspect("a'b")
require("util").inspect({a: "multi\nline\nstring that is rather long and goes on for more than the width of a line"})
require("util").inspect(Object.assign(() => {}, {a: {b: {}}}))
require("util").inspect({[Symbol("a")]: {[Symbol("b")]: 1}})
(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy })()
(() => { const { proxy, revoke } = Proxy.revocable([], {}); revoke(); return [proxy] })()
new Proxy(new Map([[1, 2]]), {})
new Proxy(new Proxy({a: 1}, {}), {})
Array.from({length: 40}, (_, i) => (i % 3 ? "s" + i : i * 1.5))
Array.from({length: 12}, (_, i) => [i, [i]])
Array.from({length: 9}, (_, i) => ({id: i, name: "name " + i}))
Array.from({length: 20}, (_, i) => -i * 7.25)
Array.from({length: 20}, (_, i) => BigInt(i) ** 9n)
Array.from({length: 20}, (_, i) => "日本語".slice(0, i % 4))
Array.from({length: 20}, (_, i) => (i % 2 ? undefined : null))
Array.from({length: 120}, (_, i) => [i])
{event: {type: "message.received", content: {from: "+46700000000", text: "hello", ids: [1, 2, 3], nested: {deep: {deeper: 1}}}, time: "2026-01-02T03:04:05Z"}}
new Map([["a", {b: new Map([["c", {d: 1}]])}], ["x".repeat(80), 1]])
new Set([new Set([new Set([new Set([1])])])])
new Map(Array.from({length: 110}, (_, i) => [i, i]))
new Set(Array.from({length: 110}, (_, i) => i))
Object.fromEntries(Array.from({length: 30}, (_, i) => ["key" + i, i]))
{a: [], b: {}, c: "", d: [[]], e: [{}], f: new Map(), g: new Set(), h: () => {}}
[[], {}, [[]], [{}]]
{f() {}, async g() {}, *h() {}, get i() { return 1 }, j: class {}, k: class K extends Array {}}
Object.assign(Object.create({inherited: 1}), {own: 2})
new (class A { static x = 1; y = 2; z() {} })
(() => { class A {} A.prototype.x = 1; return new A() })()
(() => { function F() { this.a = 1 } return new F() })()
(() => { function F() {} F.prototype = Object.create(Array.prototype); return new F() })()
new (class extends Array {})(1, 2, 3)
new (class Foo extends Promise {})(() => {})
new (class Foo extends Uint8Array {})(3)
new (class Foo extends Date {})(0)
new (class Foo extends RegExp {})("x", "g")
Object.create(Error.prototype)
Object.create(Date.prototype)
Object.create(Map.prototype)
Object.create(Array.prototype)
[new Error("x")].map((e) => Object.assign(e, {stack: "Error: x\n    at a (b.js:1:2)"}))
{e: Object.assign(new Error("x"), {stack: "Error: x\n    at a (b.js:1:2)", code: "E"})}
Object.assign(new Error("x"), {stack: "no error at all"})
Object.assign(new RangeError("x"), {stack: "RangeError: x\n    at f (b.js:1:2)", name: "Foo"})
Object.assign(new Error("multi\nline"), {stack: "Error: multi\nline\n    at f (b.js:1:2)"})
Object.assign(new AggregateError([1, new Set([2])], "m"), {stack: "AggregateError: m\n    at f (b.js:1:2)"})
Object.assign(new Error("x"), {stack: {not: "a string"}})
Object.setPrototypeOf(Object.assign(new Error("x"), {stack: "Error: x\n    at f (b.js:1:2)"}), null)
(() => { const e = Object.assign(new Error("x"), {stack: "Error: x\n    at f (b.js:1:2)"}); e.self = e; return e })()
(() => { const e = Object.assign(new Error("x"), {stack: "Error: x\n    at f (b.js:1:2)"}); delete e.message; return e })()
Object.freeze({a: 1})
new Number(5) + new String("x")
[1.0, 1.10, 100, 1e100, -1e-100, 0xff, 0b11]
["a\\b", "a/b", "\u2028", "\u00a0", "\ufeff", "\x7f", "\x80", "tab\there"]
{"\n": 1, "a.b": 2, "$a": 3, "é": 4, "_": 5, "constructor": 6, "__proto__x": 7}
{undefined: undefined, null: null, true: true}
Object.getOwnPropertyDescriptors({get a() { return 1 }, b: 2})
Object.getOwnPropertyDescriptor(class { static get x() { return 1 } }, "x")
[Symbol.for("x"), Symbol("y"), Symbol.asyncIterator, Object(Symbol("z"))]
[new Date(8.64e15), new Date(-1), new Date(8.64e15 + 1)]
[/[/]\//, new RegExp("/"), new RegExp(""), /(?<a>b)/dgimsuy]
/x/[Symbol.split]
new URLSearchParams("a=1&b=2")
{u: new URL("https://h/"), p: new URLSearchParams("a=1")}
[new TextEncoder(), new TextDecoder()]
new Headers({a: "b"})
{h: new Headers({"X-A": "1", "x-a": "2"})}
new AbortController().signal
AbortSignal.abort("x")
new Event("x").constructor.name
new EventTarget()
Object.keys(new Event("x"))
new (require("events"))()._events
require("util").inspect("x".repeat(100), {maxStringLength: 10})
require("util").inspect([["a", "b"], ["c", ["d", ["e", ["f"]]]]], {depth: 1, breakLength: 20})
require("util").inspect({a: {b: {c: {}}}}, {depth: 1, compact: 1})
require("util").inspect({a: 1, b: {c: 2}}, {breakLength: Infinity, compact: false})
require("util").inspect(new Map([[{a: 1}, "b"]]), {showHidden: true})
require("util").inspect({a: [1, 2, [3]]}, {colors: true, depth: 0})
require("util").inspect(new (class A {})(), {colors: true})
require("util").inspect(Object.assign([1, 2], {k: "v"}), {compact: 0})
require("util").inspect.defaultOptions
require("util").inspect({toJSON() { return 1 }})
require("util").inspect(5, {numericSeparator: true}) + require("util").inspect(-1234567.1234567, {numericSeparator: true})
require("util").inspect({"a b": 1, "c'd": 2, 'e"f': 3, "1a": 4, a1: 5, 12: 6})
`,
  format: String.raw`
require("util").format("%s is %d", "x", 5)
require("util").format("%s", null, undefined, 1n, Symbol("a"), -0)
require("util").format("%d %d %d", "5", "x", 1n)
require("util").format("%i %f", "5.7px", "1.5x")
require("util").format("%j", {a: [1]})
require("util").format("%j", (() => { const a = {}; a.a = a; return a })())
require("util").format("%o", {a: [1]})
require("util").format("%O", {a: {b: {c: {d: 1}}}})
require("util").format("%c styled", "css")
require("util").format("%% %s")
require("util").format("%s")
require("util").format("%x", 1)
require("util").format("a", "b", {c: 1})
require("util").format(1, "2", "three")
require("util").format("%s", {a: {b: 1}}, [1, [2, [3]]])
require("util").format("%s", class A {}, function f() {}, () => {})
require("util").format("%s", {toString() { return "mine" }})
require("util").format("%s", new (class A { toString() { return "A!" } }))
require("util").format("%s", new Error("e").message, [new Date(0)])
require("util").format("%s %s", "a")
require("util").format("%s", "a", "b")
require("util").format()
require("util").format("")
require("util").format("%d", {}, "x")
require("util").format("%i", 1e30)
require("util").format("%s", 1.0, 820982911946154508)
require("util").formatWithOptions({compact: false}, "%O", {a: 1})
require("util").isDeepStrictEqual({a: [1, new Map([[1, {b: 2}]])]}, {a: [1, new Map([[1, {b: 2}]])]})
require("util").isDeepStrictEqual([1], ["1"])
require("util").isDeepStrictEqual(new Set([{a: 1}]), new Set([{a: 1}]))
require("util").isDeepStrictEqual(NaN, NaN)
require("util").isDeepStrictEqual(0, -0)
require("util").types.isRegExp(/a/)
["isDate", "isMap", "isSet", "isPromise", "isRegExp", "isTypedArray", "isNativeError", "isProxy", "isBoxedPrimitive", "isAsyncFunction", "isGeneratorFunction"].map((n) => [new Date(), new Map(), new Set(), Promise.resolve(), /a/, new Uint8Array(), new Error(), new Proxy({}, {}), Object(1), async () => {}, function* () {}].map((v) => Number(require("util").types[n](v))).join(""))
require("util").inherits.length
require("util").stripVTControlCharacters("\u001b[31mred\u001b[0m")
require("util").toUSVString("a\ud800")
require("util").promisify((a, cb) => cb(null, a + 1))(1)
require("util").promisify((cb) => cb(new Error("x")))().catch((e) => e.message)
require("util").promisify(5)
new Promise((resolve) => require("util").callbackify(async (x) => x + 1)(1, (e, v) => resolve([e, v])))
new Promise((resolve) => require("util").callbackify(async () => { throw null })((e) => resolve([e.code, e.message])))
require("util").deprecate(() => 5, "old")()
`,
  headers: String.raw`
new Headers({b: "1", A: " x "})
[...new Headers([["set-cookie", "a"], ["set-cookie", "b"], ["x", "1"], ["x", "2"]])]
new Headers({"a b": "c"})
new Headers({a: "b\nc"})
new Headers({a: "é€"})
new Headers({a: "é"}).get("a")
new Headers(1)
new Headers([["a"]])
new Headers([["a", "b", "c"]])
new Headers([1])
new Headers("x")
new Headers(null)
new Headers({a: undefined}).get("a")
new Headers(new Map([["a", "b"]])).get("A")
new Headers(new Headers({a: "b"})).get("a")
new Headers().get()
new Headers().append("a")
new Headers().forEach()
new Headers().get("x")
(() => { const h = new Headers({a: "1"}); h.append("A", "2"); h.set("b", "3"); h.delete("zz"); return [h.get("a"), h.has("A"), h.get("zz"), JSON.stringify(h), Object.keys(h), String(h), [...h.keys()], [...h.values()], h.getSetCookie()] })()
new Headers({z: "1", a: "2", m: "3"}).entries().next()
Object.prototype.toString.call(new Headers().keys())
(() => { const out = []; new Headers({b: "1", a: "2"}).forEach(function (v, k, h) { out.push([v, k, h instanceof Headers, this.x]) }, {x: 9}); return out })()
new Response("x").status
new Response("x").headers.get("content-type")
new Response(new URLSearchParams("a=b")).headers.get("content-type")
new Response(new Uint8Array(1)).headers.get("content-type")
new Response("", {status: 99})
new Response("a", {status: 204})
new Response(null, {status: 204, statusText: "x"}).statusText
new Response('{"a":[1]}').json()
new Response("é").arrayBuffer()
new Response("x").text()
(async () => { const r = new Response("x"); await r.text(); return [r.bodyUsed, await r.text().catch((e) => e.name)] })()
Response.json({a: 1}).headers.get("content-type")
Response.json({a: 1}, {status: 201, headers: {"content-type": "x/y"}}).headers.get("content-type")
Response.error().type
Response.redirect("http://a/", 301).headers.get("location")
new Request("http://a/b?c#d").url
new Request("x")
new Request("http://a/", {method: "TRACE"})
new Request("http://a/", {method: "post"}).method
new Request("http://a/", {body: "a"})
new Request("http://u:p@a/")
new Request("http://a/", {method: "POST", body: "a"}).headers.get("content-type")
new Request(new Request("http://a/", {headers: {x: "y"}})).headers.get("x")
`,
  events: String.raw`
AbortSignal.abort().reason.name
AbortSignal.abort().reason.message
AbortSignal.abort("why").reason
AbortSignal.abort().aborted
AbortSignal.abort("x").throwIfAborted()
new AbortController().signal
new AbortController()
new AbortSignal()
(() => { const c = new AbortController(); let n = 0; c.signal.onabort = () => n++; c.signal.addEventListener("abort", () => n++); c.abort(); c.abort(); return [n, c.signal.aborted, c.signal.reason.code] })()
(() => { const a = new AbortController(), b = new AbortController(); const s = AbortSignal.any([a.signal, b.signal]); b.abort("b"); a.abort("a"); return [s.aborted, s.reason] })()
AbortSignal.any([]).aborted
AbortSignal.any([AbortSignal.abort(1), AbortSignal.abort(2)]).reason
AbortSignal.any([1])
new Promise((resolve) => { const s = AbortSignal.timeout(1); s.addEventListener("abort", (e) => resolve([e.type, s.reason.name, s.reason.message, s.reason.code, e.target === s])) })
AbortSignal.timeout(-1)
AbortSignal.timeout("x")
new Event("x").type
new Event("x", {bubbles: true, cancelable: true}).bubbles
(() => { const e = new Event("x", {cancelable: true}); e.preventDefault(); return [e.defaultPrevented, e.returnValue, e.cancelBubble, e.composed, e.eventPhase, e.isTrusted] })()
new Event()
new CustomEvent("x", {detail: {a: 1}}).detail
new CustomEvent("x").detail
new CustomEvent()
(() => { const t = new EventTarget(); const out = []; t.addEventListener("x", (e) => out.push(e.type), {once: true}); t.addEventListener("x", {handleEvent(e) { out.push("obj") }}); t.dispatchEvent(new Event("x")); t.dispatchEvent(new Event("x")); return out })()
(() => { const t = new EventTarget(); t.addEventListener("x", (e) => e.preventDefault()); return t.dispatchEvent(new Event("x", {cancelable: true})) })()
(() => { const t = new EventTarget(); const out = []; t.addEventListener("x", (e) => { out.push(1); e.stopImmediatePropagation() }); t.addEventListener("x", () => out.push(2)); t.dispatchEvent(new Event("x")); return out })()
(() => { const t = new EventTarget(); const c = new AbortController(); let n = 0; t.addEventListener("x", () => n++, {signal: c.signal}); t.dispatchEvent(new Event("x")); c.abort(); t.dispatchEvent(new Event("x")); return n })()
new EventTarget().dispatchEvent({})
new EventTarget().addEventListener("x")
new EventTarget().addEventListener("x", 5)
new EventTarget()
(() => { const e = new (require("events"))(); const out = []; e.on("a", (x) => out.push(x)); e.once("a", (x) => out.push("once" + x)); e.prependListener("a", () => out.push("first")); e.emit("a", 1); e.emit("a", 2); return [out, e.listenerCount("a"), e.eventNames(), e.emit("zz")] })()
new (require("events"))().emit("error", new Error("boom"))
new (require("events"))().emit("error", "text")
new (require("events"))().on("a", 5)
(() => { const e = new (require("events"))(); const f = () => {}; e.on("a", f); e.off("a", f); return e.listeners("a") })()
(async () => { const { once, EventEmitter } = require("events"); const e = new EventEmitter(); setTimeout(() => e.emit("x", 1, 2), 1); return once(e, "x") })()
require("events").EventEmitter === require("events")
require("events").defaultMaxListeners
(() => { const E = require("events"), e = new E(); e.on("a", () => {}); e.once("b", function x() {}); e.on("b", () => {}); return e })()
(() => { const E = require("events"), e = new E(), o = []; e.on("removeListener", (...a) => o.push(a)); e.on("newListener", (...a) => o.push(a)); const f = () => {}; e.once("x", f); e.prependListener("x", f); e.removeAllListeners(); return [o, e.eventNames()] })()
(() => { const e = new (require("events"))().setMaxListeners(1); e.on("a", () => {}); e.on("a", () => {}); return e })()
(() => { const E = require("events"), e = new E(), o = []; e.on(E.errorMonitor, (x) => o.push(x)); try { e.emit("error", 1) } catch (x) { o.push(x.context) } return o })()
new (require("events"))().setMaxListeners(-1)
require("events").setMaxListeners(1, {})
require("events").getEventListeners(new EventTarget(), "x")
require("events").once({}, "x")
require("events").once(new EventTarget(), "x", {signal: AbortSignal.abort("r")}).catch((e) => [e.name, e.code, e.cause])
(async () => { const E = require("events"), e = new E(), o = []; setTimeout(() => { e.emit("a", 1); e.emit("a", 2, 3); e.emit("z") }, 1); for await (const x of E.on(e, "a", {close: ["z"]})) o.push(x); return [o, e.eventNames()] })()
(async () => { const E = require("events"), e = new E(), i = E.on(e, "a"); e.emit("a", 1); i.throw(new RangeError("k")); return [await i.next(), await i.next().catch((x) => x.name), await i.next()] })()
(async () => { const E = require("events"), e = new E({captureRejections: true}); e.on("a", async () => { throw 5 }); return new Promise((r) => { e.on("error", r); e.emit("a") }) })()
(() => { const c = new AbortController(), o = []; const d = require("events").addAbortListener(c.signal, (e) => o.push(e.type, e.isTrusted)); c.abort(); return o })()
(() => { const t = new EventTarget(), o = []; t.addEventListener("x", (e) => { o.push(e.eventPhase); t.addEventListener("x", () => o.push("new")) }); t.addEventListener("x", (e) => o.push(e.eventPhase)); t.dispatchEvent(new Event("x")); return o })()
(() => { const t = new EventTarget(), f = () => {}; for (const o of [undefined, null, true, {capture: true}, {once: true}]) t.addEventListener("x", f, o); t.removeEventListener("x", f, true); return require("events").getEventListeners(t, "x").length })()
new EventTarget().addEventListener("x", () => {}, {signal: 5})
Event.prototype.type
EventTarget.prototype.dispatchEvent.call({}, new Event("x"))
({a: {b: new EventTarget(), c: new AbortController(), d: new AbortController().signal, e: new URL("http://h"), f: new URLSearchParams("a=1")}})
Object.prototype.toString.call(new CustomEvent("x"))
(() => { const c = new AbortController(), o = []; c.signal.onabort = () => o.push(1); c.signal.addEventListener("abort", () => o.push(2)); c.signal.onabort = () => o.push(3); c.abort(); return [o, typeof c.signal.onabort] })()
(() => { const a = new AbortController(), s = AbortSignal.any([AbortSignal.any([a.signal])]), o = []; a.signal.addEventListener("abort", () => o.push(s.aborted)); s.addEventListener("abort", () => o.push(s.reason)); a.abort(1); return o })()
AbortSignal.any()
AbortSignal.timeout(1.5)
require("util").aborted(AbortSignal.abort(), {})
new DOMException("m", "AbortError").code
new DOMException("m").name
new DOMException("m", {name: "DataCloneError", cause: 1}).cause
new DOMException("m", "X") instanceof Error
DOMException.ABORT_ERR
Object.prototype.toString.call(new DOMException())
`,
  clone: String.raw`
structuredClone({a: [1, {b: new Date(0)}], c: new Map([[1, new Set([2])]])})
structuredClone(new Map([[{a: 1}, {b: 2}]]))
(() => { const a = {}; a.self = a; const b = structuredClone(a); return b.self === b && b !== a })()
(() => { const x = {}; const b = structuredClone([x, x]); return b[0] === b[1] })()
structuredClone(/a/gi)
structuredClone(new Date(NaN))
structuredClone(new Uint8Array([1, 2]).subarray(1))
(() => { const b = new ArrayBuffer(4); const c = structuredClone([b, new Uint8Array(b, 1, 2)]); return [c[0] === c[1].buffer, c[1].byteOffset, c[1].length] })()
structuredClone(new DataView(new ArrayBuffer(3), 1))
structuredClone([1, , 3])
structuredClone(Object.assign([1], {x: 2}))
structuredClone(new (class Foo { x = 1; get y() { return 2 } }))
structuredClone({get a() { return 1 }})
structuredClone({get a() { throw new Error("g") }})
structuredClone([Object(1), Object("s"), Object(true), Object(2n)])
structuredClone(10n)
structuredClone(undefined)
structuredClone(null)
structuredClone(-0)
structuredClone(Buffer.from("a"))
structuredClone(new Error("m")) instanceof Error
structuredClone(Object.assign(new TypeError("m"), {x: 1})).x
structuredClone(new TypeError("m")).name
structuredClone(new RangeError("m")).message
structuredClone(Object.assign(new Error("m"), {name: "Foo"})).name
structuredClone(new Error("m", {cause: {a: 1}})).cause
structuredClone(() => 1)
structuredClone(Symbol("x"))
structuredClone({a: {f() {}}})
structuredClone(new WeakMap())
structuredClone(new WeakSet())
structuredClone(Promise.resolve())
structuredClone(new Proxy({}, {}))
structuredClone((function () { return arguments })(1))
structuredClone((function* () {})())
structuredClone(new Map().entries())
structuredClone()
structuredClone(Object.create(null, {a: {value: 1, enumerable: true}}))
structuredClone({[Symbol("a")]: 1, b: 2})
structuredClone(Object.defineProperty({}, "hidden", {value: 1}))
(() => { try { structuredClone(() => {}) } catch (e) { return [e.name, e.code, e instanceof DOMException] } })()
`,
  timers: String.raw`
typeof setTimeout(() => {}, 1)
setTimeout()
setTimeout("x")
setInterval(null)
setImmediate(5)
queueMicrotask(5)
clearTimeout(undefined)
clearTimeout("x")
new Promise((resolve) => { const out = []; setTimeout(() => out.push("t1"), 1); setTimeout(() => out.push("t5"), 5); queueMicrotask(() => out.push("m")); Promise.resolve().then(() => out.push("p")); setTimeout(() => resolve(out), 20) })
new Promise((resolve) => setTimeout((...args) => resolve(args), 1, "a", "b"))
new Promise((resolve) => { let n = 0; const i = setInterval(() => { if (++n === 3) { clearInterval(i); resolve(n) } }, 1) })
new Promise((resolve) => { const t = setTimeout(() => resolve("fired"), 1); clearTimeout(t); setTimeout(() => resolve("cleared"), 5) })
new Promise((resolve) => { const t = setTimeout(() => resolve("fired"), 1); clearTimeout(+t); setTimeout(() => resolve("cleared"), 5) })
require("timers/promises").setTimeout(1, "v")
require("timers/promises").setTimeout(1, "v", {signal: AbortSignal.abort()}).catch((e) => [e.name, e.code])
setTimeout.name + setTimeout.length
setTimeout(() => {}, 1).hasRef()
typeof setImmediate(() => {})
`,
  locale: String.raw`
new Date(1767323045678).toLocaleString(undefined, {timeZone: "UTC"})
new Date(1767323045678).toLocaleDateString(undefined, {timeZone: "UTC"})
new Date(1767323045678).toLocaleTimeString(undefined, {timeZone: "UTC"})
new Date(NaN).toLocaleString("de-DE")
[undefined, "en-US", "en", "en-us", "en-GB", "sv-SE", "sv", "de-DE", "de", ["de-DE", "en-US"]].map((l) => new Date(1767323045678).toLocaleString(l, {timeZone: "UTC"}))
[undefined, "en-US", "en-GB", "sv-SE", "de-DE"].map((l) => new Date(1783199109000).toLocaleString(l, {timeZone: "Europe/Stockholm"}))
[undefined, "en-US", "en-GB", "sv-SE", "de-DE"].map((l) => new Date(1783199109000).toLocaleDateString(l, {timeZone: "America/New_York"}))
[undefined, "en-US", "en-GB", "sv-SE", "de-DE"].map((l) => new Date(1783199109000).toLocaleTimeString(l, {timeZone: "Asia/Kolkata"}))
[undefined, "en-US", "en-GB", "sv-SE", "de-DE"].map((l) => new Date(1767225900000).toLocaleString(l, {timeZone: "utc", hour12: false}))
[undefined, "en-US", "en-GB", "sv-SE", "de-DE"].map((l) => new Date(1767225900000).toLocaleString(l, {timeZone: "UTC", hourCycle: "h23"}))
[undefined, "en-US", "en-GB", "sv-SE", "de-DE"].map((l) => new Date(1767225900000).toLocaleTimeString(l, {timeZone: "UTC", hour: "2-digit", minute: "2-digit"}))
[undefined, "en-US", "en-GB", "sv-SE", "de-DE"].map((l) => new Date(1767225900000).toLocaleTimeString(l, {timeZone: "UTC", hour: "numeric", minute: "numeric"}))
[undefined, "en-US", "en-GB", "sv-SE", "de-DE"].map((l) => new Date(1767225900000).toLocaleDateString(l, {timeZone: "UTC", year: "numeric", month: "2-digit", day: "2-digit"}))
[undefined, "en-US", "en-GB", "sv-SE", "de-DE"].map((l) => new Date(1767225900000).toLocaleDateString(l, {timeZone: "UTC", year: "2-digit", month: "numeric", day: "numeric"}))
[undefined, "en-US", "en-GB", "sv-SE", "de-DE"].map((l) => new Date(1767225900000).toLocaleString(l, {timeZone: "UTC", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric"}))
[undefined, "en-US", "en-GB", "sv-SE", "de-DE"].map((l) => new Date(1767225900000).toLocaleDateString(l, {timeZone: "UTC", hour: "numeric", minute: "numeric"}))
["Europe/London", "Africa/Abidjan", "Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati", "Etc/GMT+5", "GMT", "EST"].map((timeZone) => new Date(1767323045678).toLocaleString("sv-SE", {timeZone}))
new Date(0).toLocaleString("en-US", {timeZone: "Nope/Nope"})
new Date(0).toLocaleString("en-US", {timeZone: "+01:00"})
new Date(0).toLocaleString("not a locale")
new Date(0).toLocaleString(5)
new Date(0).toLocaleString("en-US", null)
new Date(0).toLocaleString("fr-FR")
new Date(0).toLocaleString("en-US", {dateStyle: "full"})
new Date(0).toLocaleDateString("en-US", {month: "long"})
Date.prototype.toLocaleString.call({})
[0, 1, -1, 1234, 1234.5, -1234567.891, 0.0005, 0.00049, 1.0005, 999.9995, 1e21, 1.5e300 / 1.5e280, 5e-7, 123456789012345680000, NaN, Infinity, -Infinity, -0, -0.0001].map((n) => n.toLocaleString())
["en-US", "en-GB", "sv-SE", "de-DE"].map((l) => [1234567.8915, -1234.5, -0, 0.5].map((n) => n.toLocaleString(l)))
["en-US", "en-GB", "sv-SE", "de-DE"].map((l) => [0.5, 12.345, -0.01].map((n) => n.toLocaleString(l, {style: "percent"})))
["en-US", "en-GB", "sv-SE", "de-DE"].map((l) => [1, 1.005, 1234.5678].map((n) => n.toLocaleString(l, {minimumFractionDigits: 2, maximumFractionDigits: 2})))
[1234.567, 0.5, 1.5, 2.5, -2.5].map((n) => n.toLocaleString("en-US", {maximumFractionDigits: 0}))
(1234.5).toLocaleString(undefined, {minimumFractionDigits: 5})
(1234.5).toLocaleString("en-US", {useGrouping: false})
["USD", "EUR", "GBP"].map((currency) => [1234.5, -3, 0.005].map((n) => n.toLocaleString("en-US", {style: "currency", currency})))
["USD", "EUR"].map((currency) => [1234.5, -3].map((n) => n.toLocaleString("de-DE", {style: "currency", currency})))
(5.25).toLocaleString("en-US", {style: "currency", currency: "usd", minimumFractionDigits: 0})
(5.25).toLocaleString("en-US", {style: "currency", currency: "USD", maximumFractionDigits: 0})
(1).toLocaleString("en-US", {style: "currency"})
(1).toLocaleString("en-US", {maximumFractionDigits: 200})
(1).toLocaleString("en-US", {minimumFractionDigits: 5, maximumFractionDigits: 2})
(1).toLocaleString("fr-FR")
(1e6).toLocaleString("en-US", {notation: "compact"})
12345678901234567890n.toLocaleString()
(-5n).toLocaleString("sv-SE")
Number.prototype.toLocaleString.call("x")
[1234.5, null, "x"].toLocaleString()
new Uint16Array([1000, 2000]).toLocaleString()
["b", "a", "C", "B", "A", "_x", "1", "10", "2", " z", "-y", "aa", "Aa", "aB"].sort((a, b) => a.localeCompare(b))
Array.from({length: 95}, (_, i) => String.fromCharCode(i + 32)).sort((a, b) => a.localeCompare(b)).join("")
["a".localeCompare("b"), "b".localeCompare("a"), "a".localeCompare("a"), "a".localeCompare("A"), "a".localeCompare("ab"), "résumé".localeCompare("résumé"), "a".localeCompare()]
"é".localeCompare("f")
"a".localeCompare("b", undefined, {numeric: true})
["ı".toLocaleUpperCase(), "I".toLocaleLowerCase("en-US"), "ß".toLocaleUpperCase("de")]
"i".toLocaleUpperCase("tr")
new Intl.DateTimeFormat("en-US", {timeZone: "Asia/Tokyo"}).format(new Date(0))
new Intl.DateTimeFormat("sv-SE", {timeZone: "Asia/Tokyo"}).format(0)
new Intl.DateTimeFormat("en-US", {timeZone: "europe/stockholm"}).resolvedOptions().timeZone
new Intl.NumberFormat("de-DE").format(1234.5)
new Intl.NumberFormat("en-US", {style: "currency", currency: "USD"}).format("12.5")
new Intl.Collator().compare("a", "b")
new Intl.PluralRules("en").select(1)
typeof Intl.DateTimeFormat.prototype.format
Object.prototype.toString.call(Intl)
`,
};

export const expressions = Object.entries(groups).flatMap(([group, text]) =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((expression) => [group, expression]),
);

// The source of a function that returns what is compared, as every engine evaluates it.
export const evaluate = String.raw`
const util = require("util");
const outcome = async (group, expression) => {
  const show = (value) => (typeof value === "string" ? JSON.stringify(value) : util.inspect(value));
  try {
    let value;
    try {
      value = (0, eval)("(" + expression + "\n)");
    } catch (error) {
      if (!(error instanceof SyntaxError)) {
        throw error;
      }
      value = (0, eval)(expression);
    }
    // Promises are shown as they are in one group.
    return show(group === "inspect" ? value : await value);
  } catch (error) {
    if (typeof error !== "object" || error === null) {
      return "throws " + util.inspect(error);
    }
    // The words of an engine's own errors are its own.
    return error.code === undefined ? "throws " + error.name : "throws " + [error.name, error.code, error.message].join(" | ");
  }
};
`;
