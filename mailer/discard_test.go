package mailer

import (
	"context"
	"net"
	"net/textproto"
	"strings"
	"testing"
)

// TestDiscardTakesEverything: by BDAT and by DATA, many on one connection, and
// whoever "bounces" is refused without the end of the connection.
func TestDiscardTakesEverything(t *testing.T) {
	d, err := NewDiscard()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r, err := ParseRelay(d.URL())
	if err != nil {
		t.Fatal(err)
	}
	c := dialSink(t, r)
	for _, one := range []struct {
		to      string
		outcome Outcome
		code    int
	}{{"ann@example.org", Accepted, 250}, {"Bounce+1@example.org", Rejected, 550}, {"ben@example.org", Accepted, 250}} {
		got := c.Send(context.Background(), Envelope{From: "b@example.org", To: one.to}, testMessage, yes)
		if got.Outcome != one.outcome || got.Code != one.code || !got.Alive {
			t.Errorf("%s: %+v", one.to, got)
		}
	}
}

// TestDiscardSpeaksToAnybody: to whoever says DATA, with lines of any length, and
// to whoever says what it does not know.
func TestDiscardSpeaksToAnybody(t *testing.T) {
	d, err := NewDiscard()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(d.URL(), "smtp://"), "?tls=none"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text := textproto.NewConn(conn)
	long := strings.Repeat("x", 70000) + "."
	for _, one := range []struct {
		say  string
		want int
	}{{"", 220}, {"HELO me", 250}, {"VRFY ann", 502}, {"MAIL FROM:<>", 250}, {"RCPT TO:<ann@example.org>", 250}, {"DATA", 354},
		{long + "\r\n..\r\n.", 250}, {"BDAT 3\r\nabc", 250}, {"NOOP", 250}, {"BDAT -1", 501}} {
		if one.say != "" {
			end := "\r\n"
			if strings.HasPrefix(one.say, "BDAT 3") {
				end = ""
			}
			if _, err := conn.Write([]byte(one.say + end)); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := text.ReadResponse(one.want); err != nil {
			t.Fatalf("to %.20q: %v", one.say, err)
		}
	}
	d.Close()
	if _, err := text.ReadLine(); err == nil {
		t.Error("the conversation goes on after the end")
	}
}
