package worker_test

import (
	"bytes"
	"context"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"

	"heed/consent"
	"heed/mailer/mailertest"
	"heed/store"
	"heed/worker"
)

// TestListHeaders: every newsletter carries each field of a list once, in the form
// that RFC 8058, RFC 2369 and RFC 2919 want; an alert and a notice carry none, and
// their texts have a link to one's choices.
func TestListHeaders(t *testing.T) {
	ctx := context.Background()
	b := newBench(t, mailertest.Options{})
	if err := b.store.SyncTopics(ctx, []store.Named{{ID: "product", Name: "Product news, renamed"}}, nil); err != nil { // the list keeps its id
		t.Fatal(err)
	}
	id := b.campaign(25)
	stop := b.start(nil)
	b.until(id, func(a store.Account) bool { return a.Accepted == 25 })
	if _, err := b.store.Import(ctx, []store.Contact{{Row: 1, Email: "holder@example.org", Services: []string{"files"}}}, "", false); err != nil {
		t.Fatal(err)
	}
	send := func(c store.Campaign) {
		id, _, err := b.store.AddCampaign(ctx, c)
		for _, by := range []string{"ann", "bo"} {
			if err == nil && c.Notice != "" {
				_, err = b.store.ApproveNotice(ctx, id, by, "")
			}
		}
		if err == nil {
			err = b.store.Start(ctx, id)
		}
		for done := false; err == nil && !done; {
			done, err = b.store.FanOut(ctx, id)
		}
		if err != nil {
			t.Fatal(err)
		}
		b.until(id, func(a store.Account) bool { return a.Accepted == a.Audience })
	}
	send(store.Campaign{Name: "a", Class: consent.Alert, Service: 1, Audience: "all", Source: "---\nsubject: Read-only\nservice: files\n---\nAn alert.\n"})
	send(store.Campaign{Name: "n", Class: consent.Legal, Notice: "sale", Audience: "all", Source: "---\nsubject: We merge\nkind: sale\n---\nA notice.\n"})
	stop()
	tokens := map[string]bool{}
	for _, r := range b.sink.Records() {
		m, err := mail.ReadMessage(bytes.NewReader(r.Data))
		if err != nil {
			t.Fatal(err)
		}
		if m.Header.Get("Subject") == "Read-only" || m.Header.Get("Subject") == "We merge" {
			bound(t, r.Data, m.Header)
			continue
		}
		listed(t, r.Data, m.Header)
		tokens[m.Header.Get("List-Unsubscribe")] = true
	}
	if len(tokens) != 25 {
		t.Errorf("25 people have %d links", len(tokens))
	}
}

// fieldsOf lists the names of a header's fields, in lower case.
func fieldsOf(raw []byte) (names []string) {
	head, _, _ := strings.Cut(string(raw), "\r\n\r\n")
	for _, m := range regexp.MustCompile(`(?m)^([!-9;-~]+):`).FindAllStringSubmatch(head, -1) {
		names = append(names, strings.ToLower(m[1]))
	}
	return names
}

func count(names []string, one string) (n int) {
	for _, name := range names {
		if name == one {
			n++
		}
	}
	return n
}

var unsubscribeForm = regexp.MustCompile(`^<https://news\.example\.com/u/[a-z2-7]{50}>, <mailto:unsubscribe\+[a-z2-7]{50}@example\.com\?subject=unsubscribe>$`)

func listed(t *testing.T, raw []byte, h mail.Header) {
	t.Helper()
	names := fieldsOf(raw)
	for _, once := range []string{"from", "to", "subject", "date", "message-id", "list-id", "list-unsubscribe", "list-unsubscribe-post", "list-help", "list-post"} {
		if count(names, once) != 1 {
			t.Errorf("%s stands there %d times", once, count(names, once))
		}
	}
	if !bytes.Contains(raw, []byte("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")) { // RFC 8058 §3.1: one line, exactly this
		t.Errorf("List-Unsubscribe-Post is %q", h.Get("List-Unsubscribe-Post"))
	}
	if !unsubscribeForm.MatchString(h.Get("List-Unsubscribe")) {
		t.Errorf("List-Unsubscribe is %q", h.Get("List-Unsubscribe"))
	}
	if !strings.HasSuffix(h.Get("List-Id"), " <product.example.com>") || h.Get("List-Post") != "NO" || !strings.HasPrefix(h.Get("List-Help"), "<https://news.example.com/p/") {
		t.Errorf("List-Id %q, List-Post %q, List-Help %q", h.Get("List-Id"), h.Get("List-Post"), h.Get("List-Help"))
	}
	if !strings.HasSuffix(h.Get("Message-Id"), "@example.com>") || slices.Contains(names, "x-mailer") || slices.Contains(names, "user-agent") {
		t.Errorf("Message-Id %q, fields %v", h.Get("Message-Id"), names)
	}
	if text, html := bytes.Index(raw, []byte("text/plain")), bytes.Index(raw, []byte("text/html")); text < 0 || html < text { // RFC 2046 §5.1.4
		t.Errorf("the text begins at %d, the HTML at %d", text, html)
	}
	for _, line := range bytes.Split(raw, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n") { // RFC 5322 §2.1.1, §2.3
			t.Errorf("a line has %d octets, or half an end", len(line))
		}
	}
}

func bound(t *testing.T, raw []byte, h mail.Header) {
	t.Helper()
	for _, name := range fieldsOf(raw) {
		if strings.HasPrefix(name, "list-") {
			t.Errorf("%s has %s", h.Get("Subject"), name)
		}
	}
	if h.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("Auto-Submitted is %q", h.Get("Auto-Submitted"))
	}
	if text := strings.ReplaceAll(string(raw), "=\r\n", ""); !strings.Contains(text, "https://news.example.com/p/") || strings.Contains(text, "https://news.example.com/u/") {
		t.Errorf("the footer of %s: %s", h.Get("Subject"), text)
	}
}

// TestOneClickWaitsForItsSignature: where the relay signs, mails offer one-click only
// once its signature was seen to cover it, and until then the link alone. Where
// reports of abuse are asked for, each newsletter says where they go (RFC 9477).
func TestOneClickWaitsForItsSignature(t *testing.T) {
	for _, seen := range []bool{false, true} {
		b := newBench(t, mailertest.Options{})
		if err := b.store.NoteSignature(context.Background(), seen); err != nil {
			t.Fatal(err)
		}
		id := b.campaign(1)
		stop := b.start(func(o *worker.Options) { o.Sender.RelaySigns, o.Sender.Complaints = true, "fbl@example.com" })
		b.until(id, func(a store.Account) bool { return a.Accepted == 1 })
		stop()
		h := b.sink.Records()[0].Header()
		if offered := h.Get("List-Unsubscribe-Post") != ""; offered != seen || h.Get("List-Unsubscribe") == "" {
			t.Errorf("signature seen %v: %v", seen, h)
		}
		if got := h["Cfbl-Address"]; len(got) != 1 || got[0] != "fbl@example.com; report=arf" {
			t.Errorf("reports go to %v", got)
		}
	}
}
