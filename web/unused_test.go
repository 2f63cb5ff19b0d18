package web_test

import (
	"context"
	"testing"

	"heed/consent"
	"heed/store"
)

// TestUnusedPage: the link in an alert opens a page; opening it changes nothing,
// its button begins a check and takes nothing away, and a second press is the
// same check.
func TestUnusedPage(t *testing.T) {
	b := newBench(t)
	ctx := context.Background()
	if _, err := b.s.Import(ctx, []store.Contact{{Row: 2, Email: "cy@example.com", Language: "fr", Services: []string{"files"}}}, "", false); err != nil {
		t.Fatal(err)
	}
	link := "/n/" + b.link(consent.PurposeUnused, "cy@example.com", 1)
	for range 50 {
		b.ask("GET", link, "", "").wants(t, 200, "Vous n’utilisez plus", `name="unused"`, "c••@example.com")
	}
	b.ask("HEAD", link, "", "").wants(t, 200)
	for _, body := range []string{"", "unused=no", "List-Unsubscribe=One-Click"} { // a scanner or a provider's button
		b.ask("POST", link, urlencoded, body).wants(t, 400, `name="unused"`)
	}
	b.ask("POST", link+"?unused=yes", urlencoded, "").wants(t, 400)
	if open, err := b.s.ServiceChecks(ctx, true); err != nil || len(open) != 0 {
		t.Errorf("there are checks already: %v, %v", open, err)
	}
	b.ask("POST", link, urlencoded, "unused=yes").wants(t, 200, "Nous vérifions")
	b.ask("POST", link, urlencoded, "unused=yes").wants(t, 200, "Nous vérifions")
	b.ask("GET", link, "", "").wants(t, 200, "Nous vérifions")
	open, err := b.s.ServiceChecks(ctx, true)
	if err != nil || len(open) != 1 {
		t.Fatalf("the checks are %v, %v", open, err)
	}
	if err := b.s.Check(ctx, open[0].ID, true, "ann"); err != nil {
		t.Fatal(err)
	}
	b.ask("GET", link, "", "").wants(t, 200, "Vous ne figurez pas parmi les utilisateurs")
	b.ask("POST", link, urlencoded, "unused=yes").wants(t, 200, "Vous ne figurez pas parmi les utilisateurs")
}

// TestUnusedTakesNoOtherLink: links of other pages, of other services and forged
// ones lead nowhere.
func TestUnusedTakesNoOtherLink(t *testing.T) {
	b := newBench(t)
	for _, purpose := range []consent.Purpose{consent.PurposeOptOut, consent.PurposeChoices, consent.PurposeConfirm, consent.PurposeUndo} {
		b.ask("POST", "/n/"+b.link(purpose, "ann@example.com", 1), urlencoded, "unused=yes").wants(t, 404)
	}
	b.ask("POST", "/n/"+b.link(consent.PurposeUnused, "ann@example.com", 999), urlencoded, "unused=yes").wants(t, 404)
	b.ask("POST", "/u/"+b.link(consent.PurposeUnused, "ann@example.com", 1), urlencoded, "List-Unsubscribe=One-Click").wants(t, 404)
	b.ask("GET", "/n/abc", "", "").wants(t, 404)
}
