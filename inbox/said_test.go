package inbox

import (
	"os"
	"slices"
	"strings"
	"testing"

	"heed/consent"
)

// TestSaid reads what people write in a line or two, in the languages that
// have phrase lists.
func TestSaid(t *testing.T) {
	text, err := os.ReadFile("testdata/said.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		fields := strings.SplitN(line, " | ", 3)
		if len(fields) != 3 || strings.HasPrefix(line, "#") {
			continue
		}
		said := strings.NewReplacer(`\n`, "\r\n", `\ufffd`, "\uFFFD").Replace(fields[2])
		got := Read(letter("ann@example.org", "unsubscribe@news.example", "Re: October news", said), RoleUnsubscribe, testRing, Ours{})
		if fields[0] == "not" {
			if actsAlone(got.Kind) {
				t.Errorf("%q is no request, but was read as %s %v", fields[2], got.Kind, got.Evidence)
			}
			continue
		}
		if string(got.Kind) != fields[0] {
			t.Errorf("%q is %s, but was read as %s %v", fields[2], fields[0], got.Kind, got.Evidence)
			continue
		}
		if got.Language != fields[1] && got.Language != "" && strings.ToLower(said) != "stop" {
			t.Errorf("%q was taken for %s, not %s %v", fields[2], got.Language, fields[1], got.Evidence)
		}
	}
}

// TestErasureNeverFromOptOut: nobody is deleted who asked to be left alone.
func TestErasureNeverFromOptOut(t *testing.T) {
	text, err := os.ReadFile("testdata/said.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, line := range strings.Split(string(text), "\n") {
		if said, found := strings.CutPrefix(line, "unsubscribe | "); found {
			n++
			got := Read(letter("ann@example.org", "privacy@news.example", "", said[5:]), RolePrivacy, testRing, Ours{})
			if got.Kind == consent.KindErasure || slices.Contains(got.Also, consent.KindErasure) {
				t.Errorf("%q was read as erasure: %v", said, got.Evidence)
			}
		}
	}
	if n < 60 {
		t.Errorf("only %d opt-outs were read", n)
	}
}

func TestTopics(t *testing.T) {
	ours := Ours{Topics: map[string]int{"Weekly Digest": 4, "Product News": 7}}
	for said, want := range map[string]consent.Scope{
		"Please unsubscribe me from the weekly digest.":                      consent.TopicScope(4),
		"Please unsubscribe me from the weekly digest and product-news.":     "topic:4 topic:7",
		"Please unsubscribe me from the weekly digest and product news.":     "topic:4 topic:7",
		"Please unsubscribe me from the weekly digest and all other emails.": consent.ScopeMarketing,
		"Please unsubscribe me.": consent.ScopeMarketing,
	} {
		got := Read(letter("ann@example.org", "unsubscribe@news.example", "", said), RoleUnsubscribe, testRing, ours)
		var stops []string
		for _, scope := range got.Stops() {
			stops = append(stops, string(scope))
		}
		if got.Kind != consent.KindUnsubscribe || strings.Join(stops, " ") != string(want) {
			t.Errorf("%q stops %s, want %s (%s %v)", said, stops, want, got.Kind, got.Evidence)
		}
	}
}

// TestScopes: what is to stop is what the mail names, and what a wish about
// topics lets us stop without asking.
func TestScopes(t *testing.T) {
	ours := Ours{Topics: map[string]int{"Weekly Digest": 4, "Product News": 7, "News": 8, "Événements": 9},
		TopicIDs: map[string]int{"weekly-digest": 4, "product": 7, "news": 8, "events": 9}}
	for _, c := range []struct{ said, kind, stops string }{
		{"Please unsubscribe me from \"Weekly Digests\".", "unsubscribe", "topic:4"},
		{"unsubscribe weekly-digest", "unsubscribe", "topic:4"},
		{"Please stop the product news", "unsubscribe", "topic:7"},
		{"Please unsubscribe me from the topic events", "unsubscribe", "topic:9"},
		{"Désabonnez-moi des evenements", "unsubscribe", "topic:9"},
		{"Unsubscribe me. Your product is fine, though.", "unsubscribe", "marketing"},
		{"Bitte vom Weekly Digest und von Product News abmelden", "unsubscribe", "topic:4 topic:7"},
		{"Please unsubscribe me from the weekly digest and everything else", "unsubscribe", "marketing"},
		{"Please do not share my data with anybody.", "unsubscribe", "sharing"},
		{"Unsubscribe me and do not sell my data.", "unsubscribe", "marketing sharing"},
		{"No more offers from your partners, please", "unsubscribe", "partner_offers"},
		{"Keine Angebote von Partnern mehr!", "unsubscribe", "partner_offers"},
		{"No more mails from you or your partners!", "unsubscribe", "marketing"},
		{"I object to the use of my data for direct marketing, also in the Weekly Digest.", "objection", "marketing"},
		{"Unsubscribe me from everything except the Weekly Digest", "preference", "topic:7 topic:8 topic:9"},
		{"I only want to receive the Weekly Digest", "preference", "topic:7 topic:8 topic:9"},
		{"Please stop the Product News but keep sending me the Weekly Digest", "preference", "topic:7"},
		{"Ich möchte nur noch den Weekly Digest erhalten", "preference", "topic:7 topic:8 topic:9"},
		{"Once a month instead of weekly, please", "preference", ""},
		{"Less often please, or else unsubscribe me", "preference", ""},
		{"I only want to hear about gardening", "preference", ""},
		{"Please delete my account and unsubscribe me from the Weekly Digest", "erasure", "topic:4"},
		{"Please send me a copy of my data", "access", ""},
	} {
		got := Read(letter("ann@example.org", "unsubscribe@news.example", "", c.said), RoleUnsubscribe, testRing, ours)
		var stops []string
		for _, scope := range got.Stops() {
			stops = append(stops, string(scope))
		}
		if string(got.Kind) != c.kind || strings.Join(stops, " ") != c.stops {
			t.Errorf("%q is %s and stops %q, want %s and %q (%v)", c.said, got.Kind, stops, c.kind, c.stops, got.Evidence)
		}
		if c.kind == "preference" && slices.Contains(got.Also, consent.KindUnsubscribe) {
			t.Errorf("%q also asks to be left alone: %v", c.said, got.Also)
		}
	}
}

// TestRepliesActOnClearRequestsOnly: people read that mailbox and answer there.
func TestRepliesActOnClearRequestsOnly(t *testing.T) {
	for said, clear := range map[string]bool{
		"Please unsubscribe me.":                        true,
		"Bitte nehmen Sie mich aus dem Verteiler.":      true,
		"Please delete my account and all my data.":     true,
		"I object to the use of my data for marketing.": true,
		"unsubscribe":                   true,
		"stop":                          true,
		"":                              false,
		"Thanks, let's talk on Monday.": false,
		"Can we have our call once a month instead of every week?":                   false,
		"I have not received an answer to my last email yet, could you have a look?": false,
		"My new email address is ann@example.net, please use that one.":              false,
		"My daughter loved the recipe!":                                              false,
		"Could you remove item 3 from my order?":                                     false,
		"no thanks":                                                                  false,
		"How do I unsubscribe a colleague?":                                          false,
		"Please don't take me off the list!":                                         false,
		"Können wir den Termin absagen?":                                             false,
		"Merci, je ne peux plus venir jeudi.":                                        false,
		"Estoy de baja esta semana, hablamos el lunes.":                              false,
	} {
		got := Read(letter("ann@example.org", "reply@news.example", "Re: October news", said), RoleReply, testRing, Ours{})
		if isClear(got) != clear {
			t.Errorf("%q is %s, %v sure %v", said, got.Kind, got.Sure, got.Evidence)
		}
	}
}
