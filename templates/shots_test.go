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

// shots are every page in every state, and some of them in the dark, on a telephone, from right to left, and with forced
// colours.
func shots() []shot {
	var all []shot
	for _, page := range slices.Sorted(maps.Keys(allPages("en"))) {
		all = append(all, shot{lang: "en", page: page, scheme: "light", width: 760})
	}
	for _, page := range []string{"centre", "centre-wrong", "unsubscribe", "done", "status"} {
		all = append(all, shot{lang: "en", page: page, scheme: "dark", width: 760}, shot{lang: "en", page: page, scheme: "light", width: 360},
			shot{lang: "ar", page: page, scheme: "light", width: 760})
	}
	return append(all, shot{lang: "en", page: "centre", scheme: "light", width: 760, forced: true}, shot{lang: "en", page: "status", scheme: "light", width: 760, forced: true},
		shot{lang: "de", page: "centre", scheme: "light", width: 760}, shot{lang: pseudoTag, page: "centre", scheme: "light", width: 360})
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
	}
	e := openEyes(t, all)
	for _, one := range shots() {
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
