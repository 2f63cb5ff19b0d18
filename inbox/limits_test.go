package inbox

import (
	"encoding/base64"
	"runtime"
	"strings"
	"testing"
	"time"
)

// fill repeats a piece until it has about n octets.
func fill(piece string, n int) string { return strings.Repeat(piece, n/len(piece)+1) }

const mailHead = "From: bomb@example.org\r\nTo: unsubscribe@news.example\r\nSubject: parts\r\nMIME-Version: 1.0\r\n"

func plainHead(kind string) string { return mailHead + "Content-Type: " + kind + "\r\n\r\n" }

// hostile makes mails as large as one is read, each of which costs a naive
// reader much more than its size.
func hostile() map[string]string {
	const size = maxRaw - 4096
	bomb := base64.StdEncoding.EncodeToString([]byte(fill("<div>", 700<<10)))
	multi := mailHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	all := map[string]string{
		"deep":                          string(nested(2000)),
		"parts":                         multi + fill("--b\r\n\r\nx\r\n", size),
		"empty parts":                   multi + fill("--b\r\n", size),
		"one header line":               mailHead + "X-A: " + fill("a", size) + "\r\n\r\nx",
		"header without end":            mailHead + fill("X-A: b\r\n", size),
		"folded header":                 mailHead + "X-A: b\r\n" + fill(" c\r\n", size) + "\r\nx",
		"many fields":                   mailHead + fill("X-A: b\r\n", size) + "\r\nx",
		"header without colon":          fill("x\r\n", size),
		"encoded words":                 "Subject: " + fill("=?utf-8?b?4pyT?= ", size) + "\r\n\r\nx",
		"encoded words, split":          "Subject: " + fill("=?utf-8?q?=E2?= =?utf-8?q?=9C=93?=", size) + "\r\n\r\nx",
		"encoded word without end":      "Subject: " + fill("=?utf-8?q?", size) + "\r\n\r\nx",
		"addresses":                     "From: " + fill("a@b.example, ", size) + "\r\nTo: x@y.example\r\n\r\nx",
		"comments in an address":        "From: " + fill("(", size) + "\r\nTo: x@y.example\r\n\r\nx",
		"angle brackets":                "From: " + fill("<", size) + "\r\nTo: " + fill("@", 100<<10) + "\r\n\r\nx",
		"base64":                        plainHead("text/html\r\nContent-Transfer-Encoding: base64") + bomb,
		"base64 without end":            plainHead("text/plain\r\nContent-Transfer-Encoding: base64") + fill("QUJD", size),
		"quoted-printable":              plainHead("text/plain\r\nContent-Transfer-Encoding: quoted-printable") + fill("=41=\r\n", size),
		"utf-7":                         plainHead("text/plain; charset=utf-7") + fill("+AGE-", size),
		"shifts of iso-2022":            plainHead("text/plain; charset=iso-2022-jp") + fill("\x1b$B!!\x1b(B", size),
		"a charset that is none":        plainHead("text/plain; charset=\""+fill("x", 2000)+"\"") + fill("\xff", size),
		"gb18030":                       plainHead("text/plain; charset=gb18030") + fill("\x81\x30\x81\x30", size),
		"elements":                      plainHead("text/html") + fill("<div>", size),
		"attributes":                    plainHead("text/html") + "<p " + fill("a=b ", size) + ">x",
		"entities":                      plainHead("text/html") + fill("&NotEqualTilde;", size),
		"comments":                      plainHead("text/html") + fill("<!--", size),
		"quotations":                    plainHead("text/html") + fill("<blockquote>", size),
		"quoted lines":                  plainHead("text/plain") + fill("> x\r\n", size),
		"attributions":                  plainHead("text/plain") + fill("On 3 March 2025, <a@b.example> wrote:\r\n", size),
		"copied headers":                plainHead("text/plain") + fill("From: a@b.example\r\n", size),
		"one line":                      plainHead("text/plain") + fill("word ", size),
		"one word":                      plainHead("text/plain") + fill("a", size),
		"no letters":                    plainHead("text/plain") + fill("-", size),
		"marks without letters":         plainHead("text/plain; charset=utf-8") + fill("\u0301", size),
		"sentences":                     plainHead("text/plain") + fill("Stop. ", size),
		"almost phrases":                plainHead("text/plain") + fill("please do not send me any more of your ", size),
		"a boundary of dashes":          mailHead + "Content-Type: multipart/mixed; boundary=\"----\"\r\n\r\n" + fill("--------\r\n\r\n", size),
		"a boundary that begins itself": mailHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + fill("--b--\r\n--b\r\n", size),
		"no boundary":                   mailHead + "Content-Type: multipart/mixed; boundary=\r\n\r\n" + fill("--\r\n", size),
		"a long boundary":               mailHead + "Content-Type: multipart/mixed; boundary=\"" + fill("b", 90000) + "\"\r\n\r\n" + fill("--b\r\n", size/2),
		"parameters":                    mailHead + "Content-Type: text/plain; " + fill("a*0=b; ", size) + "\r\n\r\nx",
		"a report of ten thousand":      mailHead + "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n" + fill("Final-Recipient: rfc822; a@b.example\r\nAction: failed\r\n\r\n", size-1024) + "\r\n--b--\r\n",
		"a report in words":             "Return-Path: <>\r\nFrom: MAILER-DAEMON@x.example\r\nSubject: failure notice\r\n\r\nHi. This is the qmail-send program\r\n" + fill("<a@b.example>:\r\n550 no such user\r\n", size),
		"failed recipients":             "Return-Path: <>\r\nX-Failed-Recipients: " + fill("a@b.example, ", size) + "\r\n\r\nx",
		"a report within reports":       mailHead + fill("Content-Type: message/rfc822\r\n\r\n", size),
		"references":                    mailHead + "References: " + fill("<1.aaaaaaaaaaaaaaaaaa@news.example> ", size) + "\r\n\r\nx",
		"tokens":                        "To: " + fill(strings.Repeat("a", 50)+"@x.example, ", size) + "\r\nFrom: a@b.example\r\n\r\nx",
		"returns alone":                 strings.ReplaceAll(plainHead("text/plain"), "\r\n", "\r") + fill("x\r", size),
		"zeros":                         fill("\x00", size),
		"a notice":                      "From: a@b.example\r\n\r\n{\"notificationType\":" + fill("[", size),
	}
	return all
}

// TestHostileMailOfEachKind reads each of them as every mailbox would: in bounded memory,
// in a time that one mail may cost, and with a verdict.
func TestHostileMailOfEachKind(t *testing.T) {
	if raced {
		t.Skip("measured without the race detector, in the suite corpus")
	}
	for name, raw := range hostile() {
		for _, role := range []string{RoleUnsubscribe, RoleBounces} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := time.Now()
			got := Read([]byte(raw), role, testRing, Ours{Domain: "news.example"})
			took := time.Since(begin)
			runtime.ReadMemStats(&after)
			allocated := (after.TotalAlloc - before.TotalAlloc) >> 20
			t.Logf("%-30s at %s@: %5d ms, %4d MB allocated, %s", name, role, took.Milliseconds(), allocated, got.Kind)
			if took > 10*time.Second || allocated > 128 {
				t.Errorf("%s at %s@: %s, %d MB allocated", name, role, took, allocated)
			}
			if got.Kind == "" || len(got.Evidence) == 0 {
				t.Errorf("%s has no verdict: %+v", name, got)
			}
		}
	}
}
