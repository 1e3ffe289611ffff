"""The data sets that `attncli data` knows, one entry each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from attncli.data.sets.speech import prepare_an4, prepare_fsdd_strings, prepare_grid_s1, prepare_grid_s1_lips


@dataclass(frozen=True)
class File:
    """The content that a file must have."""

    sha256: str
    size: int  # bytes


@dataclass(frozen=True)
class Archive:
    """A ZIP archive: some of its members are unpacked, and the archive itself is not kept."""

    md5: str  # the only sum that is published; it guards against accidents, not against malice
    size: int  # bytes, about
    members: Mapping[str, str]  # where each wanted file, or folder ending with /, goes; the rest is not unpacked


@dataclass(frozen=True)
class FileList:
    """Files that are named after the first column of tables, too many for a sum of each to stand here."""

    tables: tuple[str, ...]  # among the files of the data set; their first lines name the columns
    name: str  # with {} for the cell
    count: int
    sha256: str  # of what `sha256sum` prints for all, sorted by name
    size: int  # bytes of all


@dataclass(frozen=True)
class DataSet:
    """A published data set: what it is, under which licence, and how to verify that it arrived whole."""

    what: str
    licence: str
    files: Mapping[str, File]
    url: str | None  # of the folder that has the files; None if nobody serves them
    made_by: str  # how the files are made, if nobody serves them
    archives: Mapping[str, Archive] = field(default_factory=dict)
    listed: FileList | None = None
    prepare: Callable[[Path, Path], None] | None = None  # makes of the fetched files, in one folder, those that stay
    unpacked: Mapping[str, int] = field(default_factory=dict)  # how many files match each pattern once all is there

    @property
    def size(self) -> int:
        """The bytes to fetch."""
        files = sum(file.size for file in self.files.values())
        listed = 0 if self.listed is None else self.listed.size
        return files + listed + sum(archive.size for archive in self.archives.values())

    @property
    def count(self) -> int:
        """The files to fetch."""
        return len(self.files) + len(self.archives) + (0 if self.listed is None else self.listed.count)


_MULTI30K = DataSet(
    what="captions of photographs in German, English and French, 29,000 to train on, short sentences",
    licence="none stated for the text; its images are for non-commercial research and education",
    url=("https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw"),
    made_by="",
    files={
        "train.de.gz": File("726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6", 637044),
        "train.en.gz": File("d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f", 568929),
        "train.fr.gz": File("622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c", 604242),
        "val.de.gz": File("f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a", 24681),
        "val.en.gz": File("14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28", 21650),
        "val.fr.gz": File("ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9", 23001),
        "test_2016_flickr.de.gz": File("9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8", 22890),
        "test_2016_flickr.en.gz": File("611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9", 21077),
        "test_2016_flickr.fr.gz": File("6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90", 22310),
        "test_2017_flickr.de.gz": File("a2c89666db00c495cd8513b9d708d5a3acc205d7de312ef2bf5fb7ebc1540aee", 21471),
        "test_2017_flickr.en.gz": File("76a444ee25172e72695cddb13ae4a3bda59430617be88e0bb46b60504f054074", 19138),
        "test_2017_flickr.fr.gz": File("3ba671ceb2299f3304ffafefea7a833d08632fbaf0ba18546f8a2ec2391af496", 20434),
        "test_2017_mscoco.de.gz": File("799e4854c25d601cb6cb6be29eabe5667734c61ace2f495e03e429031a0bc338", 10230),
        "test_2017_mscoco.en.gz": File("aab300bfb4427697987e02cd0aacd44bfe8aa50456231b6474c08038bbed2b58", 8844),
        "test_2017_mscoco.fr.gz": File("754f3072ba9f124569ba5258b32730fc1d214bbf8e0c6dfb2b74401676220db0", 9751),
    },
)

_LAWS = DataSet(
    what="laws of Canada in English and French, 200,000 pairs to train on, 1 to 150 words, test by length",
    licence="Open Government Licence - Canada; name the source",
    url=None,
    made_by=(
        "aligned by document structure from the public repository justicecanada/laws-lois-xml, commit "
        "d6853c4af2ae0b7ab8c205a0e95ee734b9945c31; nobody serves the aligned files"
    ),
    files={
        "train.en.gz": File("ddd1b3c2cdd8d2519a70b92dee145a9ad82f574a3fd709a1afc796d3d3c4dc69", 9453086),
        "train.fr.gz": File("f2a25d4b5033fc6e64b72020c86051876a4074988dbd8bf3f173d2309091d97b", 10157291),
        "dev.en.gz": File("0a28fbcae89de49ca5619b36c5ceb278e2a433e96792963189e40371e00068b4", 82268),
        "dev.fr.gz": File("8d0035eb089bda9a0f07b933e42b574fad5bad62038b82a343aa5669a922b2d2", 90945),
        "test.en.gz": File("e67f7418e98882361757a8ae7d8bf6c5ab23f835e924f3c1dfd6e0a039140d68", 139894),
        "test.fr.gz": File("a7d379ed90983ae78dc27a1086b62de9f09edf6ced0c9679ebf855ae36c38d86", 154044),
        "test_bins.en.gz": File("f3ef7211a3e39a60c19b2ee2b8206c7fc08af59758f18d56698bb998093c75c8", 133616),
        "test_bins.fr.gz": File("16a958afbc95ba4078296e283cb47ac76ff17deefac2697d34734b75755d0b16", 146734),
    },
)

_DEBIAN = DataSet(
    what="descriptions of 29,355 Debian packages, a paragraph each, with their one-line synopses, for summaries",
    licence="that of each package, all free by the Debian Free Software Guidelines; name the package",
    url=None,
    made_by=(
        "read from the index files Translation-en and Packages of Debian 12 (bookworm, main), near duplicates left out "
        "and families of packages kept in one split; nobody serves the pairs"
    ),
    files={
        "dev.source.gz": File("b219318ef4b6f42b8aa71e9e44efb9e558dba807adfc802b63f656a18f00f326", 213925),
        "test.source.gz": File("19b22a752bf651f20670dce6304d6bcb835cf651c1528e9192b89e99bb73d92c", 209865),
        "train.source.gz": File("f8afac1ad547831e86e70f5a05472600324a7cbc374c36a94717cde9ae20227c", 3827945),
        "dev.target.gz": File("f1e6be65f820ffbfcafcacbf5bbf3edbff106a7b3e1b674e0b38324a3cc550dc", 26346),
        "test.target.gz": File("9328ee5576c51c7153baca02579c338db1a87446bdb0f605ffe95a44f1164ce7", 25248),
        "train.target.gz": File("2cf42e874abc0eaec1354d7da73bcf4b97e8fa478b5a42f898375b8e87d1ca46", 445793),
    },
)

_FLICKR8K = DataSet(
    what="8,091 photographs with five English captions each, and the official split",
    licence="none stated; its photographs are for non-commercial research and education",
    url="https://github.com/jbrownlee/Datasets/releases/download/Flickr8k",
    made_by="",
    files={},
    archives={
        "Flickr8k_Dataset.zip": Archive(
            "f18a1e2920de5bd84dae7cf08ec78978", 1_115_000_000, {"Flicker8k_Dataset/": "images/"}
        ),
        "Flickr8k_text.zip": Archive(
            "bf6c1abcb8e4a833b7f922104de18627",
            2_340_000,
            {
                name: name
                for name in (
                    "Flickr8k.token.txt",
                    "Flickr_8k.trainImages.txt",
                    "Flickr_8k.devImages.txt",
                    "Flickr_8k.testImages.txt",
                    "readme.txt",
                )
            },
        ),
    },
    unpacked={"images/*.jpg": 8091, "Flickr8k.token.txt": 1, "Flickr_8k.*Images.txt": 3},
)

_FSDD_STRINGS = DataSet(
    what="spoken digits of six people joined to strings of 1 to 16, with the time of every digit, 6,000 to train on",
    licence="CC BY-SA 4.0; name the source",
    url=None,
    made_by=(
        "recordings of github.com/Jakobovski/free-spoken-digit-dataset, commit "
        "26eb9aaf76e81b692f806f9140c2d2777410d7a1, with lists that join them; nobody serves the lists"
    ),
    files={
        "recordings.npz": File("6d836c31de70ec66c72743e6f59b32bd2de09eb5bc9a2a5fe6e22d51d46429b4", 15425879),
        "recordings.tsv": File("786cf64c92e548bf8712eaf7be0bbd4cbc0e3470bdd2ec3b0448571071741790", 86838),
        "train.tsv": File("1c06c0d14fd0e68d4fef95656df9f7cf0285af609a8d41f810579debacb97da7", 729119),
        "dev.tsv": File("ca979e77d353b0f899f316392d9649185820d6ffa4df057592f6193767e48d56", 55911),
        "test.tsv": File("fed84c458753b136185543df8569cb1f7cfdb66e358c36417be2d66d67f56c6a", 118750),
        "test_long.tsv": File("06136df4cd1c70fc38d23b78991fc7805dd7ff99cb893cb3f4f10f7f5bccd861", 118503),
    },
    prepare=prepare_fsdd_strings,
    unpacked={"audio/*.wav": 7900, "recordings.tsv": 1, "places-*.jsonl": 3},
)

_AN4 = DataSet(
    what="spelled words, numbers, dates and commands of 84 people, as MFCC features, 846 to train on",
    licence="that of Carnegie Mellon University for AN4, free for any purpose",
    url=None,
    made_by=(
        "features of github.com/cphazen/Machine-Learning-Project-ASR, commit "
        "5e478f0ee6c5b060edf702acdd563948cad5545f, as matrices; nobody serves those"
    ),
    files={
        "train.npz": File("174aefa1db21447399debcde2cec3bbc50316e5ce9c93ef3a6528f2afdeccf8e", 5498849),
        "dev.npz": File("aac823c4fa5986c3ef6595650b9349b3990b41ad044da65c3c61d6ecfeab76d6", 664740),
        "test.npz": File("4e98a4e4d0c5389bf6a7d303db2fe8eaeca4f8bf8ebb6a04de5e3b734394dffe", 864959),
        "train.tsv": File("341ddd6794f934f02a73573f626cc93ecae4070b4aed232728647215c3bd2a5c", 34913),
        "dev.tsv": File("efd6dfdb414827b9481f9fecd54e2c2b4a83098bd093aacdd44c35da0ec3ae33", 4182),
        "test.tsv": File("56575377f4b3c5a53fe164be3ec87338723d91b1e115873b494d5fce35c45b06", 5516),
    },
    prepare=prepare_an4,
    unpacked={"features/*.npy": 1078, "recordings.tsv": 1},
)

_GRID_S1 = DataSet(
    what="1,000 sentences of six words by speaker s1 of GRID, with the time of every word, 800 to train on",
    licence="freely available for research use",
    url=None,
    made_by=(
        "sound and alignments of github.com/TVR28/LipNet, commit 7cdd534e95aa989d9ce61c8739c64563bc496d01, as Ogg "
        "Vorbis; nobody serves that"
    ),
    files={
        "train.tsv": File("e8000611db820851cf462bc6f17b49e250d34596954ad99dc77fac96552caf83", 88607),
        "dev.tsv": File("252c4c436bf2f92d42b4dd258d13970fa29494511672d3181710bd9e4617703e", 11119),
        "test.tsv": File("2afbffaedff53c56e869b63966c6ff3f1c77210d3f6fb8efe1507b35d50d9650", 11113),
    },
    listed=FileList(
        ("train.tsv", "dev.tsv", "test.tsv"),
        "audio/{}.ogg",
        1000,
        "55e8fb31dbd63949c55c476535bb79c1ae581d79e1d310786e36c59290bead52",
        14_864_396,
    ),
    prepare=prepare_grid_s1,
    unpacked={"audio/*.ogg": 1000, "recordings.tsv": 1, "places-*.jsonl": 2},
)

_GRID_S1_LIPS = DataSet(
    what="films of the mouth that says the sentences of grid-s1, 3 seconds each, with the time of every word",
    licence="freely available for research use",
    url=None,
    made_by=(
        "video and alignments of github.com/TVR28/LipNet, commit 7cdd534e95aa989d9ce61c8739c64563bc496d01, cut to 64 x "
        "40 grey pixels round the mouth; nobody serves that"
    ),
    files={
        "train.tsv": File("2703b424f937cfcd47bfa70eecf315e88b43d9a298131e0b7242e808599577f1", 57248),
        "dev.tsv": File("c63066d68f35e5e5a8f3d6d1b6f6ed7ce147eec6c92bd864be207b56d410fbe1", 7194),
        "test.tsv": File("b27b28ec93dd0af8e0232b901c2fcee64176cc03df4070497735d130faf1722f", 7194),
    },
    listed=FileList(
        ("train.tsv", "dev.tsv", "test.tsv"),
        "lips/{}.webp",
        1000,
        "f1be7bcfcc0bd6ecf05306c2962a4f947721e738d92152fb2e447c86724167b5",
        11_903_838,
    ),
    prepare=prepare_grid_s1_lips,
    unpacked={"films/*.webp": 1000, "speech/*.webp": 1000, "films.tsv": 1, "places-*.jsonl": 2},
)

_FLICKR8K_QA = DataSet(
    what="40,793 questions about the photographs of flickr8k, of four types, each with one of 236 one-word answers",
    licence="that of flickr8k, from whose captions they are made",
    url=None,
    made_by=(
        "made from the captions of flickr8k by the recipe of COCO-QA (Ren et al. 2015), with parses by spaCy; nobody "
        "serves the questions"
    ),
    files={
        "train.tsv": File("ca7ace8d9dcb6c3e8cc80a5b89394beeea6809fa08dc3aca313ad80304564be1", 2403953),
        "dev.tsv": File("94a59af6a18e188caf166496e9e5efe6f0189ddc3a7db1daa75607f2cf8e7f34", 408567),
        "test.tsv": File("4d00de573e16eb5577058a55866ed53a65c61bc8f1f9d8d9bc92056dd7815ed2", 407529),
    },
)

DATA_SETS = {
    "multi30k": _MULTI30K,
    "laws-en-fr": _LAWS,
    "debian-descriptions": _DEBIAN,
    "flickr8k": _FLICKR8K,
    "flickr8k-qa": _FLICKR8K_QA,
    "fsdd-strings": _FSDD_STRINGS,
    "an4": _AN4,
    "grid-s1": _GRID_S1,
    "grid-s1-lips": _GRID_S1_LIPS,
}
