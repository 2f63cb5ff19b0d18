package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
)

// TestAFloodIsOneLineOnTheDesk: cases whose mails have the same words, but for
// numbers and signs, are listed as one and ended together; the others stay.
func TestAFloodIsOneLineOnTheDesk(t *testing.T) {
	o := newOffice(t, "[sender]\nname = \"Harbour Notes\"\nfrom = \"notes@example.com\"\npostal_address = \"Pier 1\"\n")
	var mails []store.Inbound
	for i, text := range []string{"Your data, order no. 17: please react!", "Your DATA - order no. 23 - please react", "your data order no 99 please react", "Nobody reacts to what I write about my data"} {
		mails = append(mails, store.Inbound{Subject: fmt.Sprint("Number ", i), Received: time.Now(), Text: text,
			Request: consent.Request{Kind: consent.KindReview, From: fmt.Sprintf("writer%d@example.org", i)}})
	}
	o.mails(mails...)
	if listed := o.heed(exitDone, "case", "list"); strings.Count(listed, "writer") != 2 || !strings.Contains(listed, "2 more have the same words") {
		t.Errorf("the desk shows a flood as:\n%s", listed)
	}
	if lines := strings.Count(o.heed(exitDone, "case", "list", "--json"), `"kind"`); lines != 4 {
		t.Errorf("JSON has %d of 4 cases", lines)
	}
	if said := o.heed(exitFailed, "case", "resolve", "4711", "--alike"); !strings.Contains(said, "hint:") {
		t.Errorf("a case that is not there: %s", said)
	}
	if said := o.heed(exitDone, "case", "resolve", "2", "--alike", "--json"); !strings.Contains(said, `{"resolved":3}`) {
		t.Errorf("ending them all said %s", said)
	}
	if left := o.heed(exitDone, "case", "list"); !strings.Contains(left, "writer3@") || strings.Count(left, "writer") != 1 {
		t.Errorf("left is\n%s", left)
	}
	if held := o.heed(exitDone, "explain", "writer1@example.org", "--json"); strings.Contains(held, `"on_hold":true`) {
		t.Errorf("the hold outlived its case: %s", held)
	}
}
