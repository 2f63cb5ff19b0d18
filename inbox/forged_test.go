package inbox

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/store/storetest"
)

// TestForgedBouncesSuppressNobody: 10,000 reports (400 under the race detector) about real readers of a real
// campaign, by somebody who knows their addresses and how ours look, but holds
// no message of ours.
func TestForgedBouncesSuppressNobody(t *testing.T) {
	t.Parallel()
	reports, readers := 10000, 50
	if raced {
		reports = 400
	}
	s := storetest.Open(t)
	id := sendTo(t, s, readers)
	thief := consent.Keyring{1: []byte("somebody else's key of 32 bytes!")}
	for i := range reports {
		victim := fmt.Sprintf("reader%d@example.org", i%readers)
		request := Read(forgedBounce(s, thief, victim, id, i), RoleBounces, s.Keys().Links, Ours{Domain: "news.example"})
		if request.Kind != consent.KindBounce || !request.Bounces[0].Hard {
			t.Fatalf("report %d is read as %+v", i, request)
		}
		f, err := s.RecordMail(t.Context(), store.Inbound{Mailbox: "b", Role: RoleBounces, Validity: 1, UID: int64(i + 1), Digest: fmt.Sprint(i), Received: time.Now(), Request: request})
		if err != nil || f.Outcome != "no_action" {
			t.Fatalf("report %d: %+v, %v", i, f, err)
		}
	}
	a, err := s.Account(t.Context(), id)
	if err != nil || a.Accepted != readers || a.Returned != 0 {
		t.Errorf("the account says %+v, %v", a, err)
	}
	for i := range readers {
		if e, err := s.Explain(t.Context(), fmt.Sprintf("reader%d@example.org", i)); err != nil || e.State.Dead || len(e.Ledger) != 1 {
			t.Errorf("reader %d: %+v, %v", i, e, err)
		}
	}
}

// forgedBounce writes a report in which each thing that could name a message
// of ours is made up in turn.
func forgedBounce(s *store.Store, thief consent.Keyring, victim string, campaign int64, i int) []byte {
	sum := sha256.Sum256([]byte(fmt.Sprint(i)))
	guess := consent.Key(sum[:len(consent.Key{})])
	bounce := consent.Link{Purpose: consent.PurposeBounce, Address: guess, Scope: uint16(campaign)}
	id, token := fmt.Sprintf("%d.%s", campaign, guess), thief.Seal(bounce)
	switch i % 4 {
	case 1: // a true token with one character changed
		key, _, _ := s.Key(victim)
		real := []byte(s.Keys().Links.Seal(consent.Link{Purpose: consent.PurposeBounce, Address: key, Scope: uint16(campaign)}))
		at := 1 + int(sum[0])%(len(real)-1)
		real[at] = "abcdefghijklmnopqrstuvwxyz234567"[(int(sum[1])%31+1+indexOf(real[at]))%32]
		token = string(real)
	case 2: // a true link, made for something else
		key, _, _ := s.Key(victim)
		token = s.Keys().Links.Seal(consent.Link{Purpose: consent.PurposeOptOut, Address: key, Scope: 1})
	case 3: // the right key of a campaign that there is not
		key, _, _ := s.Key(victim)
		id = fmt.Sprintf("%d.%s", campaign+1+int64(sum[0]), key)
	}
	return fmt.Appendf(nil, "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.org\r\nTo: bounces+%s@news.example\r\nSubject: Undelivered Mail\r\n"+
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nUser unknown\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"+
		"Reporting-MTA: dns; mx.example.org\r\n\r\nFinal-Recipient: rfc822; %s\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 user unknown\r\n\r\n"+
		"--b\r\nContent-Type: message/rfc822\r\n\r\nReturn-Path: <bounces+%s@news.example>\r\nMessage-ID: <%s@news.example>\r\nTo: %s\r\n\r\nNews\r\n--b--\r\n", token, victim, token, id, victim)
}

func indexOf(b byte) int {
	for i, other := range []byte("abcdefghijklmnopqrstuvwxyz234567") {
		if b == other {
			return i
		}
	}
	return 0
}

// sendTo gives a campaign to n readers, each message accepted by the relay.
func sendTo(t *testing.T, s *store.Store, n int) int64 {
	t.Helper()
	ctx := context.Background()
	var all []store.Contact
	for i := range n {
		all = append(all, store.Contact{Row: i, Email: fmt.Sprintf("reader%d@example.org", i), Topics: []string{"product"},
			ConsentAt: time.Now().Add(-time.Hour), ConsentSource: "form", ConsentText: "yes"})
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Import(ctx, all, "", false)
	must(err)
	id, _, err := s.AddCampaign(ctx, store.Campaign{Name: "n", Class: consent.Newsletter, Topic: 1, Source: "x", Audience: "all"})
	must(err)
	must(s.Start(ctx, id))
	for done := false; !done; {
		done, err = s.FanOut(ctx, id)
		must(err)
	}
	must(s.Register(ctx, "w", "newsletter", 1))
	d := s.NewDesk("w", func(err error) { t.Error(err) })
	defer d.Close()
	for _, c := range all {
		key, _, err := s.Key(c.Email)
		must(err)
		v, err := d.Claim(ctx, store.Ask{Campaign: id, Address: key})
		must(err)
		d.Finish(store.Result{Ask: store.Ask{Campaign: id, Address: key}, Token: v.Token, Outcome: store.Accepted, Code: 250, EndAt: time.Now()})
	}
	must(d.Flush(ctx))
	return id
}

// TestPollerActsOnBounces: true reports through a real mailbox end an address
// or pause the campaign.
func TestPollerActsOnBounces(t *testing.T) {
	s, server := storetest.Open(t), startIMAP(t)
	id := sendTo(t, s, 10)
	for i := range store.PolicyLimit + 1 {
		status, words := "5.7.1", "550 5.7.1 blocked for its reputation"
		if i == 0 {
			status, words = "5.1.1", "550 5.1.1 user unknown"
		}
		put(t, server, trueBounce(t, s, fmt.Sprintf("reader%d@example.org", i), id, status, words))
	}
	run(t, poller(s, server, RoleBounces))
	eventually(t, "every report in Processed", func() bool { return counts(t, server, "Processed", store.PolicyLimit+1) })
	c, err := s.Campaign(t.Context(), id)
	if err != nil || c.State != "paused" || !strings.Contains(c.Note, "5.7.1") {
		t.Errorf("the campaign is %s (%s), %v", c.State, c.Note, err)
	}
	for i := range 10 {
		if e, err := s.Explain(t.Context(), fmt.Sprintf("reader%d@example.org", i)); err != nil || e.State.Dead != (i == 0) {
			t.Errorf("reader %d is dead: %v (%v)", i, e.State.Dead, err)
		}
	}
}

func trueBounce(t *testing.T, s *store.Store, to string, campaign int64, status, words string) []byte {
	t.Helper()
	key, _, err := s.Key(to)
	if err != nil {
		t.Fatal(err)
	}
	token := s.Keys().Links.Seal(consent.Link{Purpose: consent.PurposeBounce, Address: key, Scope: uint16(campaign)})
	return fmt.Appendf(nil, "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.org\r\nTo: bounces+%s@news.example\r\nSubject: Undelivered Mail\r\n"+
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"+
		"Final-Recipient: rfc822; %s\r\nAction: failed\r\nStatus: %s\r\nDiagnostic-Code: smtp; %s\r\n\r\n--b--\r\n", token, to, status, words)
}
