package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"heed/mailer/mailertest"
)

// TestE2EBadTemplate: a text that fails for some people is found before it is
// sent. Where somebody lets it go all the same, those people are left out and
// all others get it.
func TestE2EBadTemplate(t *testing.T) {
	const n, nameless = 40, 7
	all := crowd(n, 10)
	for i := range nameless {
		all[3*i].first = ""
	}
	s := beginOn(t, scenario{people: all, connections: 3, keep: mailertest.KeepHeader}, setUp{}, func(*stage) {})
	s.arrives(t.Context(), t)
	text := strings.ReplaceAll(newsFile(s.site.url, 0), ` | default: "there"`, "")
	id, err := s.campaign(t.Context(), "news.md", text)
	if err != nil {
		t.Fatal(err)
	}
	c := s.heed.complains(t, exitFound, "campaign", "check", id)
	wants(t, "the check", c.Error+c.Hint, "first_name", fmt.Sprintf("for %d people", nameless), "default")
	c = s.heed.complains(t, exitFound, "campaign", "start", id)
	wants(t, "the refusal to start", c.Error+c.Hint, fmt.Sprintf("for %d people", nameless), "--skip-unrenderable")
	s.heed.ends(t, exitDone, "campaign", "start", id, "--skip-unrenderable")
	p := s.finishes(t.Context(), t, id)
	p.expectWhole(t, 0)
	a, err := ask[account](t.Context(), s.heed, "campaign", "status", id)
	if err != nil || a.Accepted != n-nameless || a.Skipped["unrenderable"] != nameless || p.Marketing != n-nameless {
		t.Errorf("the account is %+v, the sink has %d, %v", a, p.Marketing, err)
	}
}

// spoiledNames are names that try to be more than a name. Those with a line
// break pass the import, because a line break in a field is sound CSV.
func spoiledNames() []string {
	return []string{"Ann\r\nBcc: eve@bad.example", "Ann\nX-Spoiled: yes\n\nAnother body", "Ann\rSubject: other", "Ann\u2028X-Spoiled: yes", "Ann\u0085X-Spoiled: yes",
		"=?utf-8?q?Ann=0D=0ABcc:_eve@bad.example?=", "Ann\x0bBcc: eve@bad.example", strings.Repeat("Ann ", 400), "Ann\r\n.\r\nMAIL FROM:<eve@bad.example>", "<script>\"'&{{ email }}", "\u202eAnn"}
}

// TestE2EBadHeaders: whatever stands in a name, a message keeps the header that
// it was meant to have.
func TestE2EBadHeaders(t *testing.T) {
	names := spoiledNames()
	s := beginOn(t, scenario{connections: 2, keep: mailertest.KeepAll}, setUp{}, func(*stage) {})
	var text bytes.Buffer
	rows := [][]string{{"email", "first_name", "company", "topics", "consent_at", "consent_source", "consent_text"}}
	for i, name := range append(names, "Ann") {
		rows = append(rows, []string{fmt.Sprintf(box, i, 1), name, name, topicNews, "2026-01-02", "form", "I want it"})
	}
	if err := csv.NewWriter(&text).WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	counts, err := ask[imported](t.Context(), s.heed, "contact", "import", s.heed.put(t, "people.csv", text.String()))
	if err != nil || counts.Added != len(rows)-1 {
		t.Fatalf("imported %+v, %v", counts, err)
	}
	file := "---\nsubject: 'For {{ first_name }} of {{ company }}, " + newsSubject + "'\npreheader: '{{ company }}'\ntopic: " + topicNews + "\n---\nDear {{ first_name }}.\n"
	id := s.starts(t.Context(), t, file)
	s.heed.ends(t, exitDone, "campaign", "wait", id, "--timeout", "60s")
	if got := s.sink.Count(); got != len(rows)-1 {
		t.Fatalf("%d messages came, want %d", got, len(rows)-1)
	}
	for _, m := range s.sink.Records() {
		s.unspoiled(t, m)
	}
	for _, mistake := range s.sink.Violations() {
		t.Errorf("in the conversation with the sink: %s", mistake)
	}
}

// unspoiled compares the field names of a message with those of the plain one.
func (s *story) unspoiled(t *testing.T, m mailertest.Record) {
	t.Helper()
	head, _, _ := bytes.Cut(m.Data, []byte("\r\n\r\n"))
	names := fieldNames(head)
	plain, _, _ := bytes.Cut(s.find("", fmt.Sprintf(box, len(spoiledNames()), 1))[0].Data, []byte("\r\n\r\n"))
	if want := fieldNames(plain); !slices.Equal(names, want) {
		t.Errorf("to %s: the header has %q, want %q", m.To, names, want)
	}
	for _, field := range []string{"From", "To", "Subject", "Date", "Message-Id"} {
		if found := m.Header().Values(field); len(found) != 1 {
			t.Errorf("to %s: %s stands there %d times: %q", m.To, field, len(found), found)
		}
	}
	if to := m.Header().Get("To"); !strings.Contains(to, m.To) || strings.Contains(to, ",") || bytes.ContainsAny(bytes.ReplaceAll(m.Data, []byte("\r\n"), nil), "\r\n\x00") {
		t.Errorf("to %s: To is %q, or a line break or a zero byte is bare", m.To, to)
	}
	for _, line := range bytes.Split(m.Data, []byte("\r\n")) {
		if len(line) > 998 { // RFC 5322 §2.1.1
			t.Errorf("to %s: a line of %d bytes", m.To, len(line))
		}
	}
}

// fieldNames lists the fields of a header section, in order.
func fieldNames(head []byte) (names []string) {
	for _, line := range strings.Split(string(head), "\r\n") {
		if name, _, is := strings.Cut(line, ":"); is && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t") {
			names = append(names, name)
		}
	}
	return names
}

// TestE2EBadTokens: a link with any bit flipped is nobody's: 404, and nothing
// changes for anybody.
func TestE2EBadTokens(t *testing.T) {
	s, _ := stormOn(t, setUp{}, 20)
	ctx := t.Context()
	s.finishes(ctx, t, s.starts(ctx, t, helloFile(s.site.url)))
	got := s.sink.Records()[0]
	link, _ := oneClick(got.Header())
	before := s.explanation(ctx, t, got.To)
	base, token := link[:strings.LastIndex(link, "/")+1], link[strings.LastIndex(link, "/")+1:]
	tried := 0
	for _, bad := range append(flipped(token), "", token[1:], token[:len(token)-1], token+"a", token+token, "../u/"+token+"x", strings.Repeat("a", 50), "%00") {
		answer, err := postForm(ctx, base+url.PathEscape(bad), oneClickForm)
		if err != nil || answer.StatusCode != http.StatusNotFound {
			t.Errorf("posting to %q instead of %q: %v, %v", bad, token, answer, err)
		}
		tried++
	}
	t.Logf("%d links tried", tried)
	if after := s.explanation(ctx, t, got.To); after != before {
		t.Errorf("before %s, after %s", before, after)
	}
	a, err := optOut(ctx, link, got.To)
	if err != nil || a.inFlight != 0 {
		t.Errorf("the true link: %+v, %v", a, err)
	}
	s.isOut(ctx, t, got.To)
}

// flipped gives a token with each of its bits flipped, one at a time. A letter
// in the other case is the same token: some mail servers change the case.
func flipped(token string) (all []string) {
	for i := range len(token) {
		for bit := range 8 {
			bad := []byte(token)
			bad[i] ^= 1 << bit
			if !strings.EqualFold(string(bad), token) {
				all = append(all, string(bad))
			}
		}
	}
	return all
}

func (s *story) explanation(ctx context.Context, t *testing.T, who string) string {
	t.Helper()
	out, err := s.heed.run(ctx, "explain", who, "--json")
	if err != nil {
		t.Fatalf("explaining %s: %q, %v", who, out, err)
	}
	return out
}
