package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/web"
)

// posts are requests that must opt out: the examples of RFC 8058 §8, in both
// encodings, as printed and as they should have been printed, and what mailbox
// providers and browsers send.
func posts() map[string][2]string {
	crlf := func(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n" }
	field := `Content-Disposition: form-data; name="List-Unsubscribe"`
	return map[string][2]string{
		"simple, RFC 8058 §8.1":    {urlencoded, "List-Unsubscribe=One-Click"},
		"multipart, RFC 8058 §8.3": {"multipart/form-data; boundary=---FormBoundaryjWmhtjORrn", crlf("---FormBoundaryjWmhtjORrn", field, "", "One-Click", "---FormBoundaryjWmhtjORrn--")},
		"multipart, corrected":     {"multipart/form-data; boundary=---FormBoundaryjWmhtjORrn", crlf("-----FormBoundaryjWmhtjORrn", field, "", "One-Click", "-----FormBoundaryjWmhtjORrn--")},
		"multipart, quoted":        {`multipart/form-data; charset=utf-8; boundary="a b+c"`, crlf("--a b+c", field, "Content-Type: text/plain; charset=utf-8", "", "One-Click", "--a b+c--")},
		"multipart, bare LF":       {"multipart/form-data; boundary=x", "--x\n" + field + "\n\nOne-Click\n--x--\n"},
		"charset parameter":        {urlencoded + "; charset=UTF-8", "List-Unsubscribe=One-Click"},
		"upper-case type":          {"Application/X-WWW-Form-URLEncoded", "List-Unsubscribe=One-Click"},
		"no type":                  {"", "List-Unsubscribe=One-Click"},
		"line end after the pair":  {urlencoded, "List-Unsubscribe=One-Click\r\n"},
		"percent-encoded":          {urlencoded, "List%2DUnsubscribe=One%2DClick"},
		"other fields too":         {urlencoded, "a=b&List-Unsubscribe=One-Click&c"},
	}
}

func TestOneClickInBothEncodings(t *testing.T) {
	for name, post := range posts() {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			before := time.Now()
			got := b.ask("POST", "/u/"+b.optOutLink("ann@example.com"), post[0], post[1])
			got.wants(t, 200, "Product news", "Done.")
			state := b.state("ann@example.com")
			if state.Topics[1].Choice != consent.Out || state.Topics[1].Via != consent.ViaOneClick || state.Topics[2].Choice != consent.In {
				t.Errorf("the state is %s", state.Encode())
			}
			at, err := time.Parse(time.RFC3339Nano, got.header.Get("Heed-Effective-At"))
			if err != nil || at.Before(before.Truncate(time.Microsecond)) || at.After(time.Now()) || !strings.HasSuffix(got.header.Get("Heed-Effective-At"), "Z") {
				t.Errorf("Heed-Effective-At is %q", got.header.Get("Heed-Effective-At"))
			}
			if got.header.Get("Heed-In-Flight") != "0" {
				t.Errorf("Heed-In-Flight is %q", got.header.Get("Heed-In-Flight"))
			}
		})
	}
}

func TestPostWithoutThePairChangesNothing(t *testing.T) {
	b := newBench(t)
	before, token := b.rows(), b.optOutLink("ann@example.com")
	for name, post := range map[string]struct {
		kind, body string
		code       int
	}{
		"empty":            {urlencoded, "", 400},
		"other value":      {urlencoded, "List-Unsubscribe=Later", 400},
		"other name":       {urlencoded, "Unsubscribe=One-Click", 400},
		"JSON":             {"application/json", `{"List-Unsubscribe":"One-Click"}`, 400},
		"multipart, a cut": {"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-da", 400},
		"no boundary":      {"multipart/form-data", "List-Unsubscribe=One-Click", 400},
		"a file":           {"multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"; filename=\"f\"\r\n\r\nOne-Click\r\n--x--\r\n", 400},
		"too large":        {urlencoded, "List-Unsubscribe=One-Click&pad=" + strings.Repeat("x", 4<<10), 413},
	} {
		t.Run(name, func(t *testing.T) {
			b.ask("POST", "/u/"+token, post.kind, post.body).wants(t, post.code, "<button")
		})
	}
	b.ask("POST", "/u/"+token+"?List-Unsubscribe=One-Click&page=1&scope=all", "", "").wants(t, 400)
	if b.rows() != before {
		t.Error("the ledger changed")
	}
}

func TestOneClickIgnoresWhatSurroundsIt(t *testing.T) {
	b := newBench(t)
	got := b.ask("POST", "/u/"+b.optOutLink("ann@example.com"), urlencoded, "List-Unsubscribe=One-Click",
		"Cookie", "session=1; csrf=2", "Authorization", "Bearer forged", "Origin", "null", "Referer", "https://evil.example/",
		"Sec-Fetch-Site", "cross-site", "X-Forwarded-Proto", "http", "X-HTTP-Method-Override", "GET", "Expect", "100-continue", "Accept", "image/png")
	got.wants(t, 200)
	for _, name := range []string{"Set-Cookie", "Location", "WWW-Authenticate", "Refresh"} {
		if got.header.Get(name) != "" {
			t.Errorf("the answer has %s: %s", name, got.header.Get(name))
		}
	}
	if b.state("ann@example.com").Topics[1].Choice != consent.Out {
		t.Error("the opt-out was not recorded")
	}
}

func TestOneClickAtEveryFormOfTheURL(t *testing.T) {
	for _, form := range []string{"/u/T", "/u/T/", "//u//T", "/u/T//", "/./u/T", "/news/u/T", "/news/u/T/", "/news//u/T", "/x/../u/T", "/u/T?utm_source=x&a=%zz;b", "/%75/T"} {
		t.Run(form, func(t *testing.T) {
			b := newBench(t)
			for _, token := range []string{b.optOutLink("ann@example.com"), strings.ToUpper(b.optOutLink("ben@example.com"))} {
				got := b.ask("POST", strings.Replace(form, "T", token, 1), urlencoded, "List-Unsubscribe=One-Click")
				got.wants(t, 200)
			}
			if b.state("ann@example.com").Topics[1].Choice != consent.Out || b.state("ben@example.com").Marketing.Choice != consent.Out {
				t.Error("the opt-outs were not recorded")
			}
		})
	}
}

func TestPublicPathThatLooksLikeARoute(t *testing.T) {
	b := newBench(t, func(o *web.Options) { o.PublicURL = "https://mail.example.com/u" })
	token := b.optOutLink("ann@example.com")
	b.ask("GET", "/u/u/"+token, "", "").wants(t, 200, `action="/u/u/`+token)
	b.ask("GET", "/u/"+token, "", "").wants(t, 200)
	b.ask("GET", "/u/p/"+token, "", "").wants(t, 200)
}

// TestScannersChangeNothing walks over a link as mail scanners, previews and
// browsers that prefetch do.
func TestScannersChangeNothing(t *testing.T) {
	b := newBench(t)
	before := b.rows()
	paths := []string{"/u/" + b.optOutLink("ann@example.com"), "/p/" + b.link(consent.PurposeChoices, "ann@example.com", 0), "/u/" + b.optOutLink("ben@example.com") + "?List-Unsubscribe=One-Click"}
	for i := range 1000 {
		method := []string{"GET", "HEAD"}[i%2]
		got := b.ask(method, paths[i%len(paths)], "", "", "User-Agent", "scanner", "Purpose", "prefetch", "Sec-Purpose", "prefetch")
		if got.code != 200 {
			t.Fatalf("%s gave %d", method, got.code)
		}
		if (got.body == "") != (method == "HEAD") {
			t.Fatalf("%s has a body of %d bytes", method, len(got.body))
		}
	}
	for _, method := range []string{"OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"} {
		want := map[string]int{"OPTIONS": 204}[method]
		got := b.ask(method, paths[0], urlencoded, "List-Unsubscribe=One-Click")
		if got.code != max(want, 204) && got.code != 405 || got.header.Get("Allow") != "GET, HEAD, POST, OPTIONS" {
			t.Errorf("%s gave %d, Allow %q", method, got.code, got.header.Get("Allow"))
		}
	}
	if b.rows() != before {
		t.Error("the ledger changed")
	}
}

func TestEveryCharacterOfTheLinkCounts(t *testing.T) {
	b := newBench(t)
	before, token := b.rows(), b.optOutLink("ann@example.com")
	for i := range len(token) {
		for _, c := range "abcdefghijklmnopqrstuvwxyz234567" {
			if byte(c) == token[i] {
				continue
			}
			forged := token[:i] + string(c) + token[i+1:]
			if got := b.click(forged); got.code != 404 || got.header.Get("Heed-Effective-At") != "" {
				t.Fatalf("character %d as %c gave %d", i, c, got.code)
			}
		}
	}
	for _, cut := range []string{"", token[:49], token[1:], token + "a", token + "=", strings.Repeat("a", 50), token[:25] + "/" + token[25:]} {
		b.click(cut).wants(t, 404, "This link does not work", "unsubscribe@harbour.example")
	}
	if b.rows() != before {
		t.Error("the ledger changed")
	}
}

// TestALinkDoesOneThing: a link of one page is nothing on another.
func TestALinkDoesOneThing(t *testing.T) {
	b := newBench(t)
	before := b.rows()
	for page, purposes := range map[string][]consent.Purpose{
		"u": {consent.PurposeChoices, consent.PurposeConfirm, consent.PurposeBounce, consent.PurposeUndo},
		"p": {consent.PurposeConfirm, consent.PurposeBounce, consent.PurposeUndo},
		"b": {consent.PurposeOptOut, consent.PurposeChoices, consent.PurposeBounce, consent.PurposeConfirm, consent.PurposeLetter, consent.PurposeReport},
		"c": {consent.PurposeOptOut, consent.PurposeChoices, consent.PurposeBounce, consent.PurposeUndo},
	} {
		for _, purpose := range purposes {
			path := "/" + page + "/" + b.link(purpose, "ann@example.com", 1)
			b.ask("GET", path, "", "").wants(t, 404)
			b.ask("POST", path, urlencoded, "List-Unsubscribe=One-Click&scope=all&confirm=delete&undo=yes").wants(t, 404)
		}
	}
	if b.rows() != before {
		t.Error("the ledger changed")
	}
}

// TestAgainAndNeverStored: whoever holds a link learns nothing about who is
// stored (RFC 8058 §6).
func TestAgainAndNeverStored(t *testing.T) {
	b := newBench(t)
	first := b.click(b.link(consent.PurposeOptOut, "ann@example.com", 0))
	second := b.click(b.link(consent.PurposeOptOut, "ann@example.com", 0))
	stranger := b.click(b.optOutLink("nobody@example.com"))
	for _, one := range []reply{first, second, stranger} {
		one.wants(t, 200)
		if one.header.Get("Heed-Effective-At") == "" || one.header.Get("Heed-In-Flight") != "0" {
			t.Errorf("headers %v", one.header)
		}
	}
	again := b.click(b.optOutLink("nobody@example.com"))
	if plain(stranger.body) != plain(first.body) || plain(again.body) != plain(second.body) {
		t.Errorf("the pages differ:\n%s\n%s\n%s\n%s", first.body, stranger.body, second.body, again.body)
	}
	second.wants(t, 200, "It was stopped already", "Reference: L-3")
	if b.state("nobody@example.com").Marketing.Choice != consent.Out {
		t.Error("an address never stored can still be written to")
	}
}

var moment = regexp.MustCompile(`took effect at \d\d:\d\d UTC on [^.<]+|Reference: L-\d+|/p/[a-z2-7]{50}`)

// plain takes out of a page what is its own: the minute, since two clicks may
// fall into two, the number, and the link.
func plain(page string) string { return moment.ReplaceAllString(page, "") }

func TestThePageButton(t *testing.T) {
	b := newBench(t)
	token := b.optOutLink("ann@example.com")
	page := b.ask("GET", "/u/"+token, "", "")
	page.wants(t, 200, `<form method="post" action="/news/u/`+token+`?page=1">`, "Product news", "a••@example.com", `name="List-Unsubscribe" value="One-Click"`)
	if strings.Count(page.body, "<button") != 2 || strings.Contains(page.body, "ann@") {
		t.Error("the page has not two buttons, or the whole address")
	}
	b.ask("POST", "/news/u/"+token+"?page=1", urlencoded, "List-Unsubscribe=One-Click").wants(t, 200)
	if mark := b.state("ann@example.com").Topics[1]; mark.Via != consent.ViaPage || mark.Choice != consent.Out {
		t.Errorf("recorded as %+v", mark)
	}
	b.ask("POST", "/u/"+token, urlencoded, "List-Unsubscribe=One-Click&scope=all").wants(t, 200, "no more newsletters or offers")
	if b.state("ann@example.com").Marketing.Choice != consent.Out {
		t.Error("all marketing was not stopped")
	}
}

func TestPagesSpeakTheReadersLanguage(t *testing.T) {
	b := newBench(t)
	for _, one := range []struct{ email, accept, lang string }{
		{"ben@example.com", "fr", "de"}, {"ann@example.com", "es-MX,es;q=0.9", "es"}, {"ann@example.com", "ja", "en"}, {"nobody@example.com", "fr-CA, en;q=0.2", "fr"},
		{"ann@example.com", "it-CH, de;q=0.5", "it"}, {"ann@example.com", "pt-BR", "pt"}, {"nobody@example.com", "nl-BE,en;q=0.8", "nl"}, {"ann@example.com", "pl", "pl"},
		{"nobody@example.com", "ar-MA", "ar"}, {"nobody@example.com", "uk-UA,ru;q=0.8", "uk"}, {"nobody@example.com", "fa", "en"}, {"nobody@example.com", "sr", "en"},
	} {
		for _, page := range []string{"/u/", "/p/"} {
			got := b.ask("GET", page+b.optOutLink(one.email), "", "", "Accept-Language", one.accept)
			got.wants(t, http.StatusOK, `<html lang="`+one.lang+`"`)
			if got.header.Get("Content-Language") != one.lang {
				t.Errorf("Content-Language is %q, want %q", got.header.Get("Content-Language"), one.lang)
			}
		}
	}
}
