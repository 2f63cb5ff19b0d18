package inbox

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"heed/consent"
)

// seedMails adds the test mails.
func seedMails(f *testing.F, add func(raw []byte)) {
	f.Helper()
	names, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(names) < 40 {
		f.Fatalf("%d mails: %v", len(names), err)
	}
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		add(withTokens(raw))
	}
}

var roles = []string{RoleUnsubscribe, RolePrivacy, RoleBounces, RoleAbuse, RoleReply}

// FuzzRead: whatever a mail holds there is a verdict with its evidence, no
// reader panics, and nobody but a link of ours makes a machine's mail act.
func FuzzRead(f *testing.F) {
	seedMails(f, func(raw []byte) {
		for i := range roles {
			f.Add(raw, byte(i))
		}
	})
	ours := Ours{Domain: "news.example", Addresses: []string{"news@news.example"}, Topics: map[string]int{"Product news": 3}}
	Read([]byte("Subject: unsubscribe\r\n\r\n"), RoleUnsubscribe, testRing, ours) // the phrase lists are made ready
	f.Fuzz(func(t *testing.T, raw []byte, role byte) {
		if len(raw) > 32<<10 {
			return // large ones have a test of their own
		}
		begin := time.Now()
		got := Read(raw, roles[int(role)%len(roles)], testRing, ours)
		if got.Kind == "" || len(got.Evidence) == 0 {
			t.Errorf("no verdict: %+v", got)
		}
		if got.Evidence[0].Rule == "unreadable" && strings.Contains(got.Evidence[0].Text, errPanic.Error()) {
			t.Errorf("a reader panicked: %s", got.Evidence[0].Text)
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
		checkMachine(t, raw, got)
		checkBounces(t, got)
	})
}

// checkMachine: what says that it is automatic is acted on only with a link of
// ours in its address or subject, or as the button of a mail program.
func checkMachine(t *testing.T, raw []byte, got consent.Request) {
	m := Parse(raw)
	r := reading{Mail: m, ring: testRing}
	submitted := strings.ToLower(strings.TrimSpace(m.Header.Get("Auto-Submitted")))
	if submitted == "" || submitted == "no" || !actsAlone(got.Kind) {
		return
	}
	if _, sealed := r.addressLink(); !sealed && !strings.Contains(got.Evidence[0].Rule, "button") && got.Evidence[0].Rule != "generated-command" {
		t.Errorf("a machine's mail is acted on: %+v", got)
	}
}

// checkBounces: a recipient is an address, a bounce is hard only where it
// failed, and never by policy or for now.
func checkBounces(t *testing.T, got consent.Request) {
	for _, b := range got.Bounces {
		if !strings.Contains(b.Recipient, "@") || b.Action == "" {
			t.Errorf("not a fate: %+v", b)
		}
		if b.Hard && (b.Action != "failed" || b.Policy || strings.HasPrefix(b.Status, "4") || strings.Contains(b.Status, ".7.")) {
			t.Errorf("hard, though: %+v", b)
		}
	}
	if got.Kind != consent.KindBounce && len(got.Bounces) > 0 {
		t.Errorf("a %s with bounces", got.Kind)
	}
}

// FuzzReadStatus: each recipient read stands in the text, and reading is stable
// under the line ends of the world.
func FuzzReadStatus(f *testing.F) {
	f.Add("Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; ann@example.org\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no\n such user\n")
	f.Add("Final-Recipient: utf-8; j\u00f6rg@b\u00fccher.example\r\nFinal-Recipient: rfc822;<b@c.example>\r\nStatus: 4.2.2 (full)\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		all := readStatus(text)
		if len(all) > maxStatus {
			t.Errorf("%d recipients", len(all))
		}
		if !strings.Contains(text, "\r") {
			if other := readStatus(strings.ReplaceAll(text, "\n", "\r\n")); !reflect.DeepEqual(all, other) {
				t.Errorf("with CRLF: %+v, without: %+v", other, all)
			}
		}
		for _, one := range all {
			if fate := one.fate(); fate.Hard && fate.Policy || fate.Hard && fate.Action != "failed" {
				t.Errorf("fate %+v", fate)
			}
		}
	})
}

// FuzzReadFields reads the fields of a spam report: nothing is made up, and the
// first value counts.
func FuzzReadFields(f *testing.F) {
	f.Add("Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\nOriginal-Rcpt-To: <a@b.example>\n folded\n")
	f.Fuzz(func(t *testing.T, text string) {
		for name, values := range readFields(text) {
			if name == "" || strings.ContainsAny(name, " \t\n:") {
				t.Errorf("a field called %q", name)
			}
			for _, value := range values {
				if strings.Contains(value, "\n") {
					t.Errorf("%s holds a line end: %q", name, value)
				}
			}
		}
	})
}

// FuzzReadLanguage: a phrase list is refused or can be used on any text.
func FuzzReadLanguage(f *testing.F) {
	names, _ := filepath.Glob("phrases/*.txt")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text[:min(len(text), 2000)]), "please unsubscribe me")
	}
	f.Add("[sets]\nlist = a|b\n[command]\n^ <list> ... stop* $\n", "a b c stopping")
	f.Fuzz(func(t *testing.T, text, said string) {
		l, err := readLanguage("xx", text)
		if err != nil {
			return
		}
		words := foldWords(said)
		for _, patterns := range l.sections {
			for _, p := range patterns {
				if at := p.find(words); at >= len(words) && at > 0 {
					t.Errorf("%q is found at %d of %d words", p.source, at, len(words))
				}
			}
		}
	})
}

// FuzzHTMLText: the text is no longer than its source allows, and nothing of
// what stands inside a quotation is the writer's.
func FuzzHTMLText(f *testing.F) {
	f.Add("<p>Hello <b>you</b></p><blockquote>old</blockquote><script>x()</script>")
	f.Add("<div id=divRplyFwdMsg>From: x</div><style>p{}</style>&amp;&#x10FFFF;<td>a<td>b")
	f.Fuzz(func(t *testing.T, source string) {
		text, quoted := htmlText(source)
		if len(text)+len(quoted) > 6*len(source)+6 {
			t.Errorf("%d octets become %d", len(source), len(text)+len(quoted))
		}
		if own, _ := htmlText("<blockquote><p>" + strings.NewReplacer("<", "", "&", "").Replace(source) + "</p></blockquote>"); strings.TrimSpace(own) != "" {
			t.Errorf("quoted text is the writer's: %q", own)
		}
	})
}

// FuzzSplitQuote: every line is the writer's or quoted, none is lost or
// invented, and what the writer wrote holds no quoted line.
func FuzzSplitQuote(f *testing.F) {
	f.Add("Stop\n\nOn Mon, 3 Mar 2025 at 10:12, Anna <anna@example.com> wrote:\n> unsubscribe\n")
	f.Add("Nein\n\nVon: A <a@b.example>\nGesendet: Montag, 3. M\u00e4rz 2025 10:12\nAn: B\nBetreff: C\n\nabmelden\n-- \nA\n")
	f.Fuzz(func(t *testing.T, text string) {
		own, quoted := splitQuote(text)
		if len(own)+len(quoted) > len(text)+2 {
			t.Errorf("%d octets become %d", len(text), len(own)+len(quoted))
		}
		for _, line := range strings.Split(own, "\n") {
			if strings.HasPrefix(strings.TrimLeft(line, " \t"), ">") {
				t.Errorf("a quoted line is the writer's: %q", line)
			}
		}
	})
}

// FuzzParseMailboxURL: what is taken has a user, a host and a port, and goes
// over the network in the clear only to this machine.
func FuzzParseMailboxURL(f *testing.F) {
	for _, seed := range []string{"imap://u@mail.example/INBOX", "imaps://u%40x@mail.example:993", "imap://u@127.0.0.1:1430/Box?tls=none", "imap://u:p@[::1]/?tls=implicit"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMailboxURL(text)
		if err != nil {
			return
		}
		if m.User == "" || m.Host == "" || m.Folder == "" || !strings.Contains(m.Addr, ":") {
			t.Errorf("%q gives %+v", text, m)
		}
		if m.TLS == tlsNone && !loopback(m.Host) {
			t.Errorf("%q would send a password in the clear", text)
		}
	})
}
