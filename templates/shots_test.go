package templates

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

// shot is one look at a page.
type shot struct {
	lang, page, scheme string
	width              int64
	forced             bool
}

func (s shot) file() string {
	name := s.page
	if s.lang != "en" {
		name += "-" + s.lang
	}
	if s.width < 600 {
		name += "-narrow"
	}
	if s.forced {
		return name + "-forced.png"
	}
	if s.scheme == "dark" {
		name += "-dark"
	}
	return name + ".png"
}

// shots are every page in every state, with forced colours too, and some of them in the dark, on a telephone, and from right
// to left: all of them where HEED_SHOTS_ALL is set, for somebody who looks at each.
func shots(t *testing.T) []shot {
	var all []shot
	add := func(s shot) { all = append(all, s) }
	some := []string{"centre", "centre-wrong", "unsubscribe", "done", "status", "sign-up-flaws", "mail-newsletter", "mail-alert"}
	pages := allPages("en")
	maps.Copy(pages, mailPages(t, "en"))
	for _, page := range slices.Sorted(maps.Keys(pages)) {
		add(shot{lang: "en", page: page, scheme: "light", width: 760})
		add(shot{lang: "en", page: page, scheme: "light", width: 760, forced: true})
		if os.Getenv("HEED_SHOTS_ALL") == "" && !slices.Contains(some, page) {
			continue
		}
		add(shot{lang: "en", page: page, scheme: "dark", width: 760})
		add(shot{lang: "en", page: page, scheme: "light", width: 320})
		add(shot{lang: "ar", page: page, scheme: "light", width: 800}) // as wide as the window: a narrower one is cut off at the wrong side
		add(shot{lang: pseudoTag, page: page, scheme: "light", width: 320})
	}
	return append(all, shot{lang: "de", page: "centre", scheme: "light", width: 760})
}

// TestScreenshots takes the pictures of docs/pages where HEED_SHOTS names a folder.
func TestScreenshots(t *testing.T) {
	folder := os.Getenv("HEED_SHOTS")
	if folder == "" {
		t.Skip("HEED_SHOTS names no folder")
	}
	speakPseudo(t)
	all := map[string]func(io.Writer) error{}
	for _, lang := range []string{"en", "de", "ar", pseudoTag} {
		for name, write := range allPages(lang) {
			all[lang+"/"+name] = write
		}
		for name, write := range mailPages(t, lang) {
			all[lang+"/"+name] = write
		}
	}
	e := openEyes(t, all)
	for _, one := range shots(t) {
		e.see(one.width, one.scheme, one.forced)
		e.do(chromedp.Navigate(e.url + "/" + one.lang + "/" + one.page))
		raw, err := chromedp.Run(e.ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, one.file()), fewColours(t, raw), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// fewColours keeps a picture small: pages have few colours, and the shades at the edges of letters can be fewer.
func fewColours(t *testing.T, raw []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	count := map[color.RGBA]int{}
	b := full.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			count[color.RGBAModel.Convert(full.At(x, y)).(color.RGBA)]++
		}
	}
	used := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int { return count[b] - count[a] })
	var palette color.Palette
	for _, c := range used[:min(len(used), 32)] {
		palette = append(palette, c)
	}
	small := image.NewPaletted(b, palette)
	draw.Draw(small, b, full, b.Min, draw.Src)
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
