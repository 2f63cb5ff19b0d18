package web_test

import (
	"testing"

	"heed/consent"
	"heed/web"
)

// TestLanguageOfAPage: what was chosen at its foot, what is stored, what the
// mail was written in, what the browser asks for, what the sender speaks.
func TestLanguageOfAPage(t *testing.T) {
	b := newBench(t, func(o *web.Options) { o.Language = "pl" })
	ann, ben := b.optOutLink("ann@example.com"), b.optOutLink("ben@example.com")
	for _, one := range []struct{ path, asks, want string }{
		{"/u/" + ben + "?lang=fr&said=es", "it", "fr"},
		{"/u/" + ben + "?said=es", "it", "de"},
		{"/u/" + ann + "?said=es", "it", "es"},
		{"/u/" + ann, "it;q=0.5, nl", "nl"},
		{"/u/" + ann, "ja", "pl"},
		{"/u/" + ann, "", "pl"},
		{"/u/" + ann + "?lang=xx&said=ja", "tr", "tr"},
		{"/u/" + ann + "?lang=%3Cscript%3E", "", "pl"},
		{"/?lang=uk", "it", "uk"},
		{"/u/nosuch?said=ru", "it", "ru"},
	} {
		got := b.ask("GET", one.path, "", "", "Accept-Language", one.asks)
		if got.header.Get("Content-Language") != one.want || !contains(got.body, `<html lang="`+one.want+`"`) {
			t.Errorf("%s for %q is in %q, want %s", one.path, one.asks, got.header.Get("Content-Language"), one.want)
		}
	}
}

// TestLanguageIsKept: a form of a page in another language answers in it, and
// choosing one stores nothing.
func TestLanguageIsKept(t *testing.T) {
	b := newBench(t)
	before, token := b.rows(), b.optOutLink("ann@example.com")
	page := b.ask("GET", "/u/"+token+"?lang=ar", "", "")
	page.wants(t, 200, `action="/news/u/`+token+`?lang=ar&amp;page=1"`, `dir="rtl"`, `<a href="?lang=en" lang="en" hreflang="en" dir="ltr">English</a>`)
	if b.rows() != before {
		t.Error("choosing a language changed the ledger")
	}
	done := b.ask("POST", "/u/"+token+"?lang=ar&page=1", urlencoded, "List-Unsubscribe=One-Click")
	done.wants(t, 200, `<html lang="ar"`, `href="/news/p/`+token+`?lang=ar"`)
	if mark := b.state("ann@example.com").Topics[1]; mark.Via != consent.ViaPage {
		t.Errorf("the button recorded %+v", mark)
	}
}
