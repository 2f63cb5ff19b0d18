package inbox

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"heed/store/storetest"
)

// TestNewMailOnly: both servers give what came after a mail, and nothing when
// nothing came, although a range up to the last mail would name that one.
func TestNewMailOnly(t *testing.T) {
	p := newPost(t, RoleAbuse, storetest.DovecotOptions{})
	memory := startIMAP(t)
	for i := range 3 {
		raw := letter(fmt.Sprintf("p%d@example.org", i), "abuse@news.example", "x", "y")
		p.arrives(raw)
		put(t, memory, raw)
	}
	for url, password := range map[string]string{p.URL(p.user): contents(t, p.PasswordFile(p.user)), memory.URL("box"): "secret"} {
		where, err := ParseMailboxURL(url)
		if err != nil {
			t.Fatal(err)
		}
		c, err := dial(t.Context(), proof{where.User, password, AuthPassword, where}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for after, want := range map[imap.UID]int{0: 3, 1: 2, 3: 0, 17: 0, maxUID: 0} {
			if came, err := c.above(after); err != nil || len(came) != want {
				t.Errorf("above %d: %v, want %d (%v)", after, came, want, err)
			}
		}
		c.close()
	}
}

// TestDovecotHugeMail reads a mail of 200 MiB in the memory of a small one. The
// race detector keeps notes of several times the memory it watches: under it the
// mail is read, and nothing measured.
func TestDovecotHugeMail(t *testing.T) {
	p := newPost(t, RoleUnsubscribe, storetest.DovecotOptions{})
	run(t, p.poller())
	p.stop("small@example.org")
	p.has("Processed", 1)
	before := peak(t)
	head := letter("huge@example.org", "unsubscribe@news.example", "Holiday film", "Look at this.")
	p.deliverHuge(head, 200<<20)
	p.has("Review", 1)
	grown := float64(peak(t)-before) / (1 << 20)
	t.Logf("the memory grew by %.1f MiB", grown)
	if grown > 64 && !raced {
		t.Error("want at most 64 MiB")
	}
}

// deliverHuge appends lines to the mail until it has that size, without
// holding it.
func (p *post) deliverHuge(head []byte, size int) {
	p.t.Helper()
	lines := strings.Repeat(strings.Repeat("x", 76)+"\r\n", 1000)
	if err := p.DeliverFrom(p.user, func(w io.Writer) error {
		_, err := w.Write(head)
		for written := len(head); written < size && err == nil; written += len(lines) {
			_, err = io.WriteString(w, lines)
		}
		return err
	}); err != nil {
		p.t.Fatal(err)
	}
}

// peak is the most memory that this process ever had in RAM.
func peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("this system has no /proc")
	}
	for line := range strings.Lines(string(status)) {
		if text, found := strings.CutPrefix(line, "VmHWM:"); found {
			var kib int
			_, _ = fmt.Sscan(text, &kib)
			return kib << 10
		}
	}
	return 0
}
