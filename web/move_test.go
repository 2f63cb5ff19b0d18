package web_test

import (
	"context"
	"testing"
	"time"

	"heed/consent"
	"heed/store"
	"heed/web"
)

// moving begins a change of Ann's address and gives the paths of both links.
func (b *bench) moving() (c store.AddressChange, old, fresh string) {
	b.t.Helper()
	c, err := b.s.MoveContact(context.Background(), "ann@example.com", "ann@example.org", 0, "kim")
	if err != nil {
		b.t.Fatal(err)
	}
	return c, "/m/" + b.s.Half(c, c.Old), "/m/" + b.s.Half(c, c.New)
}

func TestMove(t *testing.T) {
	b := newBench(t)
	c, old, fresh := b.moving()
	for _, path := range []string{old, fresh} {
		page := b.ask("GET", path, "", "")
		page.wants(t, 200, "Use a new address?", "a••@example.org", "a••@example.com", `name="confirm" value="move"`)
		accessible(t, "move", page.body)
		if contains(page.body, "ann@") {
			t.Errorf("the page shows an address: %s", page.body)
		}
		b.ask("GET", path+"?confirm=move", "", "").wants(t, 200)
		for _, body := range []string{"", "confirm=delete", "confirm=copy", "confirm=move&confirm=delete"} {
			b.ask("POST", path, urlencoded, body).wants(t, 400, "Use a new address?")
		}
	}
	b.ask("POST", fresh, urlencoded, "confirm=move").wants(t, 200, "One of two is confirmed", "a••@example.com")
	b.ask("POST", fresh, urlencoded, "confirm=move").wants(t, 200, "One of two is confirmed")
	b.ask("GET", old, "", "").wants(t, 200, "Use a new address?")
	if _, known, _ := b.s.PersonByKey(context.Background(), c.New); known {
		t.Fatal("one click changed the address")
	}
	b.ask("POST", old, urlencoded, "confirm=move").wants(t, 200, "Your address is changed", "a••@example.org")
	b.ask("GET", fresh, "", "").wants(t, 200, "Your address is changed")
	if b.state("ann@example.org").Topics[1].Choice != consent.In {
		t.Error("what Ann chose did not go along")
	}
	b.click(b.optOutLink("ann@example.com")).wants(t, 200, "Done.")
	if b.state("ann@example.org").Topics[1].Choice != consent.Out {
		t.Error("the link in an old newsletter stops nothing")
	}
	if log := b.log.String(); !contains(log, "msg=address_changed") || contains(log, "@example") {
		t.Errorf("the log says %s", log)
	}
	b.rows()
}

func TestMoveThatCannotBe(t *testing.T) {
	now := time.Now()
	b := newBench(t, func(o *web.Options) { o.Now = func() time.Time { return now } })
	_, old, fresh := b.moving()
	b.ask("POST", fresh, urlencoded, "confirm=move").wants(t, 200)
	_, err := b.s.Import(context.Background(), []store.Contact{{Row: 2, Email: "ann@example.org"}}, "test", false)
	if err != nil {
		t.Fatal(err)
	}
	b.ask("POST", old, urlencoded, "confirm=move").wants(t, 200, "could not be changed")
	if _, err := b.s.MoveContact(context.Background(), "ben@example.com", "ben@example.org", 0, "kim"); err != nil {
		t.Fatal(err)
	}
	c, err := b.s.MoveContact(context.Background(), "ben@example.com", "ben@example.net", 0, "kim")
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(store.ChangeFor + time.Hour)
	b.ask("GET", "/m/"+b.s.Half(c, c.Old), "", "").wants(t, 410, "abgelaufen")
	b.ask("GET", "/m/"+b.link(consent.PurposeMove, "zoe@example.com", 1), "", "").wants(t, 404)
	b.ask("GET", "/m/"+b.link(consent.PurposeConfirm, "ben@example.com", 1), "", "").wants(t, 404)
}
