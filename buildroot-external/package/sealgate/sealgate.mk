################################################################################
#
# sealgate
#
################################################################################

# The source is the checkout around this tree, so that an image is always built from the
# commit it claims to be.
SEALGATE_VERSION = local
SEALGATE_SITE = $(realpath $(BR2_EXTERNAL_SEALGATE_PATH)/..)
SEALGATE_SITE_METHOD = local
SEALGATE_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude=/build --exclude=/target --exclude=/fuzz/target
SEALGATE_LICENSE = MIT or Apache-2.0
SEALGATE_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE
SEALGATE_DEPENDENCIES = host-pkgconf tpm2-tss pcsc-lite

# The programs of the image: the same as scripts/lib/root.sh puts into the lab's.
SEALGATE_PROGRAMS = sealgate-supervisor sealgate-recorder sealgate-system sealgate
SEALGATE_CARGO_ENV = PKG_CONFIG_ALLOW_CROSS=1
SEALGATE_CARGO_BUILD_OPTS = \
	--package sealgate-supervisor \
	--package sealgate-recorder \
	--package sealgate-system \
	--package sealgate-cli

# A local source is not vendored by Buildroot's download step, so this does it: each crate
# of Cargo.lock, checked against the hash there. The build itself stays offline.
define SEALGATE_VENDOR_CRATES
	cd $(@D) && mkdir -p .cargo && \
		$(TARGET_MAKE_ENV) $(PKG_COMMON_CARGO_ENV) \
		cargo vendor --locked VENDOR >.cargo/config.toml
endef
SEALGATE_PRE_CONFIGURE_HOOKS += SEALGATE_VENDOR_CRATES

define SEALGATE_INSTALL_TARGET_CMDS
	$(foreach program,$(SEALGATE_PROGRAMS),\
		$(INSTALL) -D -m 0755 \
			$(@D)/target/$(RUSTC_TARGET_NAME)/$(if $(BR2_ENABLE_DEBUG),debug,release)/$(program) \
			$(TARGET_DIR)/usr/bin/$(program)$(sep))
endef

# What the crates' authors ask to be passed on, beside what Buildroot collects itself.
define SEALGATE_CRATES_LEGAL_INFO
	$(BR2_EXTERNAL_SEALGATE_PATH)/scripts/crate-licenses $(@D)/VENDOR \
		$(LEGAL_INFO_DIR)/crate-licenses
endef
SEALGATE_POST_LEGAL_INFO_HOOKS += SEALGATE_CRATES_LEGAL_INFO

$(eval $(cargo-package))
