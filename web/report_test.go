package web_test

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/templates"
	"heed/web"
)

// access opens a case for Ann and gives it with the path of its link.
func (b *bench) access() (store.Case, string) {
	b.t.Helper()
	id, err := b.s.OpenCase(context.Background(), store.Report{Kind: consent.CaseAccess, Email: "ann@example.com", Mailbox: "privacy"})
	if err != nil {
		b.t.Fatal(err)
	}
	c := b.theCase(id)
	token, err := b.s.ConfirmLink(c)
	if err != nil {
		b.t.Fatal(err)
	}
	return c, "/c/" + token
}

// copyLink goes the way to the copy, and gives the path of its link.
func (b *bench) copyLink() (store.Case, string) {
	b.t.Helper()
	c, path := b.access()
	ready := b.ask("POST", path, urlencoded, "confirm=copy")
	ready.wants(b.t, 200, "Your copy is ready")
	_, rest, found := strings.Cut(ready.body, `href="/news`)
	link, _, _ := strings.Cut(rest, `"`)
	if !found || !strings.HasPrefix(link, "/r/") {
		b.t.Fatalf("the page leads to %q", link)
	}
	return c, link
}

// events are what happened to a case, as its person sees them.
func (b *bench) events(email string) (kinds []string) {
	b.t.Helper()
	r, err := b.s.Held(context.Background(), b.key(email), 0)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range r.Cases {
		for _, e := range c.Events {
			kinds = append(kinds, e.Kind)
		}
	}
	return kinds
}

func withRegister(o *web.Options) {
	o.About = store.About{Controller: store.Controller{Name: "Harbour & Notes", Contact: "privacy@harbour.example"}, Authority: "Seatown Authority",
		Recipients: []store.Recipient{{Role: store.RoleProcessor, Name: "Example Relay", Purpose: "carries mail", Country: "Germany"}, {Role: store.RolePartner, Name: "Example Partner"}}}
}

// TestEachKindHasItsOwnButton: the page of a copy speaks of no deletion, and no
// button does what another page said.
func TestEachKindHasItsOwnButton(t *testing.T) {
	b := newBench(t)
	c, path := b.access()
	page := b.ask("GET", path, "", "")
	page.wants(t, 200, "Show me my data?", `name="confirm" value="copy"`, "a••@example.com")
	if contains(page.body, "elete my data") {
		t.Errorf("the page speaks of deletion: %s", page.body)
	}
	for _, body := range []string{"confirm=delete", "confirm=", "", "confirm=move", "List-Unsubscribe=One-Click"} {
		b.ask("POST", path, urlencoded, body).wants(t, 400, "Show me my data?")
	}
	b.ask("GET", path+"?confirm=copy", "", "").wants(t, 200)
	b.ask("HEAD", path, "", "").wants(t, 200)
	erasure, other := b.erasure()
	b.ask("POST", other, urlencoded, "confirm=copy").wants(t, 400, "Delete my data?")
	if one, two := b.theCase(c.ID).State, b.theCase(erasure.ID).State; one != consent.CaseWaiting || two != consent.CaseWaiting {
		t.Errorf("the cases are %s and %s", one, two)
	}
}

func TestCopyOfEverything(t *testing.T) {
	b := newBench(t, withRegister)
	c, path := b.copyLink()
	before := b.events("ann@example.com")
	for range 3 { // a scanner that opens all it finds
		gate := b.ask("GET", path, "", "")
		gate.wants(t, 200, "Your copy of your data", "a••@example.com", `value="page"`, `value="file"`, `value="close"`)
		if contains(gate.body, "ann@example.com") || contains(gate.body, "Product news") {
			t.Fatalf("the page before the copy shows the copy: %s", gate.body)
		}
		b.ask("HEAD", path, "", "").wants(t, 200)
		b.ask("GET", path+"?show=page", "", "").wants(t, 200)
		b.ask("POST", path, urlencoded, "show=all").wants(t, 400, `value="page"`)
	}
	if after := b.events("ann@example.com"); len(after) != len(before) {
		t.Fatalf("opening the page was an event: %v", after)
	}
	page := b.ask("POST", path, urlencoded, "show=page")
	page.wants(t, 200, "What we hold about you", "ann@example.com", "Example Relay", "Seatown Authority", "privacy@harbour.example", "Product news", "confirmed by a click", "a list that was imported", "question whether it was you")
	accessible(t, "copy", page.body)
	if contains(page.body, "Example Partner") {
		t.Error("a partner is named to somebody who shares nothing")
	}
	file := b.ask("POST", path, urlencoded, "show=file")
	file.wants(t, 200)
	var copied store.Copy
	if err := json.Unmarshal([]byte(file.body), &copied); err != nil || copied.Person == nil || copied.Person.Email != "ann@example.com" || len(copied.Rights) < 5 || copied.Purposes == "" {
		t.Errorf("the file is %v %s", err, file.body)
	}
	for field, want := range map[string]string{"Cache-Control": "no-store", "Content-Type": "application/json", "Content-Disposition": `attachment; filename="my-data.json"`, "Set-Cookie": ""} {
		if got := file.header.Get(field); got != want {
			t.Errorf("%s is %q", field, got)
		}
	}
	if kinds := b.events("ann@example.com"); len(kinds) != len(before)+2 || kinds[len(kinds)-1] != "read" {
		t.Errorf("the events are %v", kinds)
	}
	if log := b.log.String(); !contains(log, "msg=copy_opened") || contains(log, "@example.com") || contains(log, path[3:]) {
		t.Errorf("the log says %s", log)
	}
	b.ask("POST", path, urlencoded, "show=close").wants(t, 200, "can no longer be opened", "Reference: H-1")
	for _, body := range []string{"show=page", "show=file", "show=close"} {
		b.ask("POST", path, urlencoded, body).wants(t, 410, "can no longer be opened")
	}
	b.ask("GET", path, "", "").wants(t, 410)
	if got := b.theCase(c.ID); got.State != consent.CaseDone || got.Outcome != store.CopyGiven {
		t.Errorf("the case is %+v", got)
	}
	b.rows()
}

func TestCopyThatHasRunOut(t *testing.T) {
	now := time.Now()
	b := newBench(t, func(o *web.Options) { o.Now = func() time.Time { return now } })
	_, path := b.copyLink()
	_, late := b.access()
	now = now.Add(store.ReportFor + time.Minute)
	b.ask("GET", path, "", "").wants(t, 410, "can no longer be opened")
	b.ask("POST", path, urlencoded, "show=file").wants(t, 410)
	b.ask("GET", late, "", "").wants(t, 410, "This link has run out", "30 days", "Nothing was done")
	b.ask("POST", late, urlencoded, "confirm=copy").wants(t, 410)
	for _, purpose := range []consent.Purpose{consent.PurposeOptOut, consent.PurposeChoices, consent.PurposeConfirm, consent.PurposeReport} {
		b.ask("POST", "/r/"+b.link(purpose, "ben@example.com", 1), urlencoded, "show=page").wants(t, 404)
	}
}

// TestEveryKindHasWords: what the schema knows of events, letters and outcomes
// is shown to people in words.
func TestEveryKindHasWords(t *testing.T) {
	var schema string
	for _, name := range []string{"00001_start.sql", "00002_privacy.sql"} {
		text, err := os.ReadFile("../store/migrations/" + name)
		if err != nil {
			t.Fatal(err)
		}
		schema += string(text)
	}
	for prefix, table := range map[string][2]string{"event_": {"case_event", "kind"}, "letter_": {"correspondence", "kind"}, "did_": {"inbound", "outcome"}} {
		kinds := regexp.MustCompile(`(?s)CREATE TABLE ` + table[0] + ` \(.*?` + table[1] + `\s+TEXT NOT NULL CHECK \(` + table[1] + ` IN \((.*?)\)\)`).FindStringSubmatch(schema)
		if kinds == nil {
			t.Fatalf("the schema of %s was not understood", table[0])
		}
		for _, kind := range regexp.MustCompile(`'(\w+)'`).FindAllStringSubmatch(kinds[1], -1) {
			for _, lang := range templates.Languages() {
				var page strings.Builder
				section := templates.ReportSection{ID: "cases", Entries: [][]templates.ReportField{{{Label: "kind", Coded: prefix + kind[1]}}}}
				if err := templates.ReportPage(&page, templates.ReportData{Language: lang, Sections: []templates.ReportSection{section}}); err != nil || contains(page.String(), prefix) {
					t.Errorf("%s: %s%s has no words in templates/lang/%s.yaml (report.values)", table[0], prefix, kind[1], lang)
				}
			}
		}
	}
}
